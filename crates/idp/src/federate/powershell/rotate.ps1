# Gives Microsoft the app's next certificate beside the one that signs now. Nobody's sign-in changes by it.
        if (-not $next) {
            throw "This app has no next certificate. Create one with 'countersign cert next', then fetch these commands again from $source"
        }
        Connect-Tenant @('Domain-InternalFederation.ReadWrite.All', 'Domain.Read.All') | Out-Null
        Assert-Certificate $next $nextThumbprint
        $state = Read-Domain
        $existing = Read-OurFederation
        if (-not (Test-SameText (ConvertTo-BareCertificate $existing.SigningCertificate) $settings.SigningCertificate)) {
            throw "Microsoft has another certificate than $thumbprint as the one that signs now. Fetch these commands again from $source, and if that changes nothing, run the commands 'enable' first."
        }
        if (Test-SameText (ConvertTo-BareCertificate $existing.NextSigningCertificate) $next) {
            Write-Host "Nothing to do: Microsoft has the next certificate $nextThumbprint already." -ForegroundColor Green
        } else {
            Save-State $state $existing ''
            $wanted = Get-Values $existing
            $wanted['SigningCertificate'] = $settings.SigningCertificate
            $wanted['NextSigningCertificate'] = $next
            Edit-Configuration $existing @{ NextSigningCertificate = $next } $wanted
            Show-Done "Microsoft accepts the next certificate $nextThumbprint beside $thumbprint now."
            Show-WayBack
        }
        Write-Host "Wait two hours, so that all of Microsoft knows it. Then give 'countersign cert promote' this as evidence:"
        Get-StateAsJson (Read-Domain) (Read-Federation)
