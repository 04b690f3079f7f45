# Makes a domain Managed: Microsoft itself asks for passwords again. It asks for your consent first.
        $account = Connect-Tenant @('Domain-InternalFederation.ReadWrite.All', 'Domain.ReadWrite.All')
        $state = Read-Domain
        if ($state.AuthenticationType -eq 'Managed') {
            Write-Host "Nothing to do: $domain is Managed." -ForegroundColor Green
            return
        }
        $existing = Read-Federation
        Write-Host "As a Managed domain, $domain has everybody sign in with a password that Microsoft keeps:"
        Write-Host '    Whoever has one there, from before or by password hash synchronization, uses that one.'
        Write-Host '    Whoever has none cannot sign in until an administrator gives a new password; Microsoft does not tell who that is.'
        Write-Host '    Passwords, second factors and passkeys of Countersign open nothing at Microsoft any more. ImmutableIDs stay.'
        Write-Host '    It can take up to two hours until every sign-in follows.'
        if (-not (Test-Consent 'MakeManaged')) {
            throw "To make the domain Managed, run `$MakeManaged = $(ConvertTo-Literal $domain) and then these commands again."
        }
        if (Test-Within ($account.Split('@')[-1])) {
            Write-Host "You are signed in as $account, who needs a password at Microsoft as well: reset it before this window closes." -ForegroundColor Yellow
        }
        Save-State $state $existing ''
        Invoke-Change 'make the domain Managed' 'Made the domain Managed.' { Write-AuthenticationType 'Managed' }
        Confirm-Stored $null 'Managed'
        Show-Done "$domain is Managed now."
        if (Read-Federation) { Write-Host 'Microsoft has kept the federation configuration, without effect.' }
        Show-WayBack
