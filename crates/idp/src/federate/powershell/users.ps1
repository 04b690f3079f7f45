# Writes the ImmutableIDs of Countersign's users to theirs at Microsoft where they have none. It overwrites nothing,
# skips users who are synchronized from a directory, and lists whom it did not touch, with the reason.
        Connect-Tenant @('User.ReadWrite.All', 'Domain.Read.All') | Out-Null
        if ($anchors.Count -eq 0) {
            throw "No user of this app has an ImmutableID. Give them some with 'countersign anchor', then fetch these commands again from $source"
        }
        if ((Read-Domain).AuthenticationType -eq 'Federated') {
            Write-Host "$domain is federated already: Microsoft may refuse to change its users." -ForegroundColor Yellow
        }
        $verdicts = @(Get-Verdicts @(Read-Users))
        $absent = @($verdicts | Where-Object { $_.Verdict -eq 'absent' })
        $written = @{}
        if ($absent.Count -gt 0) {
            $time = [DateTime]::UtcNow.ToString('yyyyMMdd-HHmmss-fff', [System.Globalization.CultureInfo]::InvariantCulture)
            $path = Join-Path -Path $HOME -ChildPath ('users-{0}-{1}Z.json' -f ($domain -replace '[^A-Za-z0-9.-]', '_'), $time)
            ConvertTo-Json -InputObject $absent | Out-File -LiteralPath $path -Encoding utf8 -NoClobber -ErrorAction Stop
            Write-Host "Saved the list of the $($absent.Count) users to change, who have no ImmutableID now, to $path"
        }
        foreach ($one in $absent) {
            $run.Doing = "set the ImmutableID of $($one.UserPrincipalName)"
            try {
                Write-ImmutableId $one.Id $one.Ours | Out-Null
                $written[$one.Id] = $true
                $run.Changes = @("Set the ImmutableIDs of $($written.Count) users.")
                if ($written.Count % 500 -eq 0) { Write-Host "    $($written.Count) of $($absent.Count)" }
            } catch {
                # One user whom Microsoft refuses keeps no other from theirs.
                $refused = [int]$_.Exception.Response.StatusCode -eq 400 -or "$($_.FullyQualifiedErrorId)" -match 'BadRequest'
                if (-not $refused) { throw }
                $one.Verdict = 'refused'
                $one.Reason = Get-Reason $_
            }
            $run.Doing = $null
        }
        #
        # What Microsoft stored; a change can take a moment until it can be read.
        if ($written.Count -gt 0) {
            for ($attempt = 1; $attempt -le 24; $attempt++) {
                $wrong = @(Get-Verdicts @(Read-Users) | Where-Object { $written.ContainsKey($_.Id) -and $_.Verdict -ne 'same' })
                if ($wrong.Count -eq 0) { break }
                if ($attempt -lt 24) { Start-Sleep -Seconds 5 }
            }
            if ($wrong.Count -gt 0) {
                Show-Some @($wrong | ForEach-Object { "$($_.UserPrincipalName)  sent: $($_.Ours)  Microsoft has: $($_.Found)" })
                throw "Microsoft stored something else than was sent for the $($wrong.Count) user(s) above."
            }
        }
        $same = @($verdicts | Where-Object { $_.Verdict -eq 'same' })
        Show-Done "$($same.Count) users had their ImmutableID already, and $($written.Count) have it now."
        Show-AllVerdicts $verdicts
