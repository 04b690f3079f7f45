    # Each user of ours with what Microsoft has: absent can be set; same, other, synced, taken and missing cannot.
    function Get-Verdicts($users) {
        $byName = New-Object -TypeName System.Collections.Hashtable -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
        $byAnchor = New-Object -TypeName System.Collections.Hashtable -ArgumentList ([System.StringComparer]::Ordinal)
        foreach ($user in $users) {
            $byName[[string]$user.UserPrincipalName] = $user
            if ($user.OnPremisesImmutableId) { $byAnchor[[string]$user.OnPremisesImmutableId] = $user }
        }
        for ($i = 0; $i -lt $anchors.Count; $i += 2) {
            $ours = $anchors[$i + 1]
            $user = $byName[$anchors[$i]]
            $holder = $byAnchor[$ours]
            $verdict = 'absent'
            if (-not $user) {
                $verdict = 'missing'
            } elseif (Test-SameText $user.OnPremisesImmutableId $ours) {
                $verdict = 'same'
            } elseif ($user.OnPremisesSyncEnabled) {
                $verdict = 'synced'
            } elseif ($user.OnPremisesImmutableId) {
                $verdict = 'other'
            } elseif ($holder) {
                $verdict = 'taken'
            }
            [pscustomobject]@{
                UserPrincipalName = $anchors[$i]; Id = [string]$user.Id; Ours = $ours; Found = [string]$user.OnPremisesImmutableId
                Holder = [string]$holder.UserPrincipalName; Verdict = $verdict; Reason = ''
            }
        }
    }
    function Show-Some($lines) {
        $shown = 0
        foreach ($line in $lines) {
            $shown++
            if ($shown -gt 20) {
                Write-Host "        and $($lines.Count - 20) more"
                break
            }
            Write-Host "        $line"
        }
    }
    function Show-Verdicts($verdicts, $verdict, $heading) {
        $some = @($verdicts | Where-Object { $_.Verdict -eq $verdict })
        if ($some.Count -gt 0) {
            Write-Host "    $($some.Count) $heading"
            Show-Some @($some | ForEach-Object { "$($_.UserPrincipalName)  ours: $($_.Ours)  Microsoft's: $($_.Found)$($_.Holder)  $($_.Reason)" })
        }
    }
    function Show-AllVerdicts($verdicts) {
        Show-Verdicts $verdicts 'missing' 'are unknown to Microsoft, under that user name at least. Create them there, with the ImmutableID:'
        Show-Verdicts $verdicts 'synced' 'are synchronized from a directory with another ImmutableID. Entra Connect owns it; import theirs into Countersign:'
        Show-Verdicts $verdicts 'other' 'have another ImmutableID at Microsoft, which is never overwritten. Import theirs into Countersign, or take the detour below:'
        Show-Verdicts $verdicts 'taken' 'have an ImmutableID that somebody else at Microsoft has:'
        Show-Verdicts $verdicts 'refused' 'were refused by Microsoft. In a federated domain take the detour below:'
        if (@($verdicts | Where-Object { $_.Verdict -eq 'other' -or $_.Verdict -eq 'refused' }).Count -gt 0) {
            Write-Host '    The detour, for one user at a time: an ImmutableID can be changed together with a user name that comes from'
            Write-Host '    outside of the federated domain. Give the user a name of your onmicrosoft.com domain, then the own name back:'
            Write-Host '        Invoke-MgGraphRequest -Method PATCH -Uri ''/v1.0/users/ID'' -Body @{ userPrincipalName = ''NAME@TENANT.onmicrosoft.com'' }'
            Write-Host '        Invoke-MgGraphRequest -Method PATCH -Uri ''/v1.0/users/ID'' -Body @{ userPrincipalName = ''NAME@DOMAIN''; onPremisesImmutableId = ''IMMUTABLEID'' }'
        }
    }
