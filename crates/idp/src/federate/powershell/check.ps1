# Looks whether a Microsoft 365 domain is ready to be federated with Countersign, or how it is, and changes nothing.
        $counts = @{ Bad = 0; Unknown = 0 }
        function Write-Good($text) { Write-Host "[ok] $text" -ForegroundColor Green }
        function Write-Bad($text) {
            $counts.Bad++
            Write-Host "[!!] $text" -ForegroundColor Red
        }
        function Write-Unknown($text) {
            $counts.Unknown++
            Write-Host "[--] $text" -ForegroundColor Yellow
        }
        $account = Connect-Tenant @('Domain-InternalFederation.Read.All', 'Domain.Read.All', 'User.Read.All', 'RoleManagement.Read.Directory', 'Policy.Read.All')
        #
        # 1. Who is asking.
        Write-Host "Signed in as $account, with $(@((Get-MgContext -ErrorAction Stop).Scopes) -join ', ')."
        if (Test-Within ($account.Split('@')[-1])) {
            Write-Bad "$account is a user of $domain, whose own sign-in would be federated too. Change it with an administrator of the onmicrosoft domain."
        } else {
            Write-Good "$account is no user of $domain."
        }
        try {
            $roles = @((Invoke-Graph 'GET' '/v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole').value | ForEach-Object { [string]$_.displayName })
            $enough = @('Global Administrator', 'Domain Name Administrator', 'External Identity Provider Administrator', 'Hybrid Identity Administrator', 'Security Administrator')
            if (@($roles | Where-Object { $enough -contains $_ }).Count -gt 0) {
                Write-Good "Its roles: $($roles -join ', ')."
            } else {
                Write-Bad "None of its roles ($($roles -join ', ')) may federate a domain. One of these may: $($enough -join ', ')."
            }
        } catch {
            Write-Unknown "Its roles could not be read: $(Get-Reason $_)"
        }
        #
        # 2. The domain and its configuration.
        $state = Read-Domain
        $obstacles = @(Get-Obstacles $state)
        foreach ($obstacle in $obstacles) { Write-Bad $obstacle }
        if ($obstacles.Count -eq 0) { Write-Good "$domain is verified, not the default, and a root domain or promoted to one." }
        $existing = Read-Federation
        Write-Host "$domain is $($state.AuthenticationType)."
        if (-not $existing) {
            if ($state.AuthenticationType -eq 'Federated') {
                Write-Bad 'Microsoft shows no federation configuration for it although it is federated. Make it Managed first, or ask Microsoft''s support.'
            } else {
                Write-Good 'It has no federation configuration yet.'
            }
        } elseif (-not (Test-SameText $existing.IssuerUri $settings.IssuerUri)) {
            Write-Bad "It has a federation already, with $($existing.IssuerUri) and not with this app."
        } else {
            $differences = @(Compare-Federation $existing (Get-Wanted $existing))
            if ($differences.Count -eq 0) {
                Write-Good 'Its federation configuration is as this app wants it.'
            } else {
                Write-Bad "Its federation configuration differs in $($differences.Count) setting(s). The commands 'enable', 'rotate' and 'promote' mend that."
                $differences | Format-List -Property Setting, Expected, Found | Out-Host
            }
        }
        #
        # 3. The users.
        $users = @()
        $known = $false
        try {
            $users = @(Read-Users)
            $known = $true
        } catch {
            Write-Unknown "The users could not be read: $(Get-Reason $_)"
        }
        if ($known) {
            $verdicts = @(Get-Verdicts $users)
            $ready = @($verdicts | Where-Object { $_.Verdict -eq 'same' })
            if ($verdicts.Count -eq 0) {
                Write-Bad 'No user of this app has an ImmutableID here, so nobody could sign in.'
            } elseif ($ready.Count -eq $verdicts.Count) {
                Write-Good "All $($verdicts.Count) users of this app have the same ImmutableID at Microsoft."
            } else {
                Write-Bad "$($verdicts.Count - $ready.Count) of the $($verdicts.Count) users of this app do not have their ImmutableID at Microsoft, and could not sign in. The commands 'users' set what is absent."
                Show-Verdicts $verdicts 'absent' 'have none at Microsoft:'
                Show-AllVerdicts $verdicts
            }
            $ours = New-Object -TypeName System.Collections.Hashtable -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
            foreach ($one in $verdicts) { $ours[$one.UserPrincipalName] = $true }
            $within = @($users | Where-Object { Test-Within (([string]$_.UserPrincipalName).Split('@')[-1]) })
            $strangers = @($within | Where-Object { -not $ours.ContainsKey([string]$_.UserPrincipalName) })
            $without = @($strangers | Where-Object { -not $_.OnPremisesImmutableId })
            $synced = @($within | Where-Object { $_.OnPremisesSyncEnabled })
            Write-Host "$domain has $($within.Count) users at Microsoft, of whom $($synced.Count) are synchronized from a directory."
            if ($strangers.Count -gt 0) {
                Write-Bad "$($strangers.Count) of them are not known to this app, or have no ImmutableID there, and could not sign in; $($without.Count) have none at Microsoft either:"
                Show-Some @($strangers | ForEach-Object { "$($_.UserPrincipalName)  Microsoft's: $($_.OnPremisesImmutableId)" })
            }
        }
        #
        # 4. A way in if all of this fails: a Global Administrator whom the federation does not touch.
        try {
            $admins = @((Invoke-Graph 'GET' "/v1.0/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members").value)
            $disabled = @($users | Where-Object { $_.AccountEnabled -eq $false } | ForEach-Object { [string]$_.Id })
            $outside = @($admins | Where-Object { $_.UserPrincipalName -and -not (Test-Within (([string]$_.UserPrincipalName).Split('@')[-1])) -and $disabled -notcontains $_.id })
            if ($outside.Count -gt 0) {
                Write-Good "Global Administrators outside of ${domain}: $(@($outside | ForEach-Object { [string]$_.UserPrincipalName }) -join ', ')."
            } else {
                Write-Bad "No Global Administrator is outside of $domain. Create one in the onmicrosoft domain before anything else."
            }
        } catch {
            Write-Unknown "The administrators could not be read: $(Get-Reason $_)"
        }
        #
        # 5. Whether Microsoft takes our word for users of other domains.
        $foreign = @()
        for ($i = 0; $i -lt $anchors.Count; $i += 2) {
            if (-not (Test-Within ($anchors[$i].Split('@')[-1]))) { $foreign += $anchors[$i] }
        }
        if ($foreign.Count -eq 0) {
            Write-Good "No user of this app has a user name outside of $domain, so the policy for federated tokens blocks nobody."
        } else {
            try {
                $policy = 'all'
                try {
                    $validating = (Invoke-Graph 'GET' '/v1.0/policies/federatedTokenValidationPolicy').validatingDomains
                    if ($validating.rootDomains) { $policy = [string]$validating.rootDomains }
                } catch {
                    # A tenant that never set the policy has none, which means all.
                    if ([int]$_.Exception.Response.StatusCode -ne 404) { throw }
                }
                if ($policy -eq 'none') {
                    Write-Good "$($foreign.Count) users of this app are outside of $domain; the policy for federated tokens lets them in."
                } elseif ($policy -eq 'all') {
                    Write-Bad "$($foreign.Count) users of this app are outside of ${domain}: Microsoft blocks them with AADSTS5000820."
                } else {
                    Write-Unknown "$($foreign.Count) users of this app are outside of ${domain}: Microsoft blocks those whose domain the policy for federated tokens names ($policy $(@($validating.domainNames) -join ', '))."
                }
                Show-Some $foreign
            } catch {
                Write-Unknown "$($foreign.Count) users of this app are outside of ${domain}, and the policy for federated tokens could not be read: $(Get-Reason $_)"
            }
        }
        #
        if ($counts.Bad -eq 0 -and $counts.Unknown -eq 0) {
            Write-Host "$domain is ready." -ForegroundColor Green
        } else {
            Write-Host "$($counts.Bad) finding(s) to mend, $($counts.Unknown) not known. Nothing was changed."
        }
