# Makes the certificate with which the app signs now Microsoft's first one. It writes every time it is run: Microsoft
# keeps the former certificate until the write after, so after a compromise run it twice.
        Connect-Tenant @('Domain-InternalFederation.ReadWrite.All', 'Domain.Read.All') | Out-Null
        Assert-Certificate $settings.SigningCertificate $thumbprint
        if ($next) { Assert-Certificate $next $nextThumbprint }
        $state = Read-Domain
        $existing = Read-OurFederation
        $change = @{ SigningCertificate = $settings.SigningCertificate; NextSigningCertificate = $settings.SigningCertificate }
        if ($next) { $change['NextSigningCertificate'] = $next }
        $wanted = Get-Values $existing
        foreach ($name in @($change.Keys)) { $wanted[$name] = $change[$name] }
        if (@(Compare-Federation $existing $wanted).Count -gt 0) { Save-State $state $existing '' }
        Edit-Configuration $existing $change $wanted
        Show-Done "Microsoft's first certificate for $domain is $thumbprint now."
        if (-not $next) {
            Write-Host 'It stands as the next one too, until the app has one: nobody else holds a key that Microsoft accepts.'
        }
        Write-Host 'If the key of the former certificate may be known to others, run these commands once more.'
        Show-WayBack
