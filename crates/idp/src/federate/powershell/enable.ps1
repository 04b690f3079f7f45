# Federates a Microsoft 365 domain with Countersign. It checks first, changes second and compares last.
        # 1. This machine, this script, and the domain.
        $account = Connect-Tenant @('Domain-InternalFederation.ReadWrite.All', 'Domain.ReadWrite.All')
        Assert-Certificate $settings.SigningCertificate $thumbprint
        Assert-Outside $account
        $state = Read-Domain
        $obstacles = @(Get-Obstacles $state)
        if ($obstacles.Count -gt 0) { throw $obstacles[0] }
        #
        # 2. What is there already.
        $existing = Read-Federation
        if (-not $existing -and $state.AuthenticationType -eq 'Federated') {
            throw "$domain is federated, but Microsoft shows no configuration for it, so there is none to save or to change. Make the domain Managed first, or ask Microsoft's support."
        }
        if ($existing -and -not (Test-SameText $existing.IssuerUri $settings.IssuerUri) -and -not (Test-Consent 'ReplaceFederationOf')) {
            throw "$domain has a federation already, with $($existing.IssuerUri). To replace it, run `$ReplaceFederationOf = $(ConvertTo-Literal $domain) and then these commands again."
        }
        $wanted = Get-Wanted $existing
        $differences = @(Compare-Federation $existing $wanted)
        #
        # 3. The change. The domain follows its configuration only when that is as it should be.
        if (-not $existing) {
            Save-State $state $existing ''
            Add-Configuration $wanted
        } elseif ($differences.Count -gt 0) {
            Save-State $state $existing ''
            Edit-Configuration $existing (Get-Change $wanted $differences) $wanted
        }
        if ((Read-Domain).AuthenticationType -ne 'Federated') {
            Invoke-Change 'make the domain Federated' 'Made the domain Federated.' { Write-AuthenticationType 'Federated' }
        }
        #
        # 4. What Microsoft stored.
        Confirm-Stored $wanted 'Federated'
        if ($run.Changes.Count -eq 0) {
            Write-Host "Nothing to do: $domain is federated with this app, and every setting is as it should be." -ForegroundColor Green
        } else {
            Show-Done "$domain is federated now, and Microsoft has stored every setting as it was sent."
            Write-Host 'It can take up to two hours until every sign-in follows. Try it in a private browser window.'
            if ($settings.PreferredAuthenticationProtocol -eq 'saml') {
                Write-Host 'A domain that speaks SAML cannot join Windows devices, nor sign in to Windows with a password.'
            }
            Show-WayBack
        }
