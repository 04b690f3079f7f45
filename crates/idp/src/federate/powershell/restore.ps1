# Puts a saved state of a domain back: the newest that these commands saved in your home directory, or the one that
# you name: $RestoreFrom = 'C:\path\to\federation-....json'
        $account = Connect-Tenant @('Domain-InternalFederation.ReadWrite.All', 'Domain.ReadWrite.All')
        $path = [string](Get-Variable -Name 'RestoreFrom' -ValueOnly -ErrorAction Ignore)
        if (-not $path) {
            $prefix = 'federation-{0}-' -f ($domain -replace '[^A-Za-z0-9.-]', '_')
            $files = @(Get-ChildItem -LiteralPath $HOME -Filter "$prefix*.json" | Where-Object { $_.Name -match "^$([regex]::Escape($prefix))\d{8}-\d{6}-\d{3}Z\.json`$" } | Sort-Object -Property Name)
            if ($files.Count -eq 0) {
                throw "No saved state of $domain is in $HOME. Name the file and run these commands again: `$RestoreFrom = 'C:\path\to\file.json'"
            }
            $path = $files[-1].FullName
        }
        try {
            $saved = ConvertFrom-Json -InputObject (Get-Content -LiteralPath $path -Raw -Encoding UTF8 -ErrorAction Stop)
        } catch {
            throw "$path cannot be read as a saved state: $($_.Exception.Message)"
        }
        if ($saved.DomainId -and $saved.DomainId -ne $domain) {
            throw "$path was saved for $($saved.DomainId), and these commands are for $domain."
        }
        $type = [string]$saved.AuthenticationType
        if (-not $type -and $saved.IssuerUri) { $type = 'Federated' }
        if ($type -ne 'Managed' -and -not ($type -eq 'Federated' -and $saved.IssuerUri)) {
            throw "$path says neither that $domain was Managed nor how it was federated."
        }
        $wanted = $null
        if ($saved.IssuerUri) {
            $wanted = @{}
            foreach ($name in $properties) {
                if ([string]$saved.$name) { $wanted[$name] = $saved.$name }
            }
            foreach ($name in 'SigningCertificate', 'NextSigningCertificate') {
                if ($wanted[$name]) { $wanted[$name] = ConvertTo-BareCertificate $wanted[$name] }
            }
            if (-not $wanted['SigningCertificate']) {
                throw "$path has no signing certificate. Microsoft would make the domain federated with it and never let go."
            }
        }
        if ($type -eq 'Federated') { Assert-Outside $account }
        Write-Host "Putting back $path"
        $state = Read-Domain
        $existing = Read-Federation
        $differences = @()
        if ($wanted) { $differences = @(Compare-Federation $existing $wanted) }
        if ($state.AuthenticationType -eq $type -and $differences.Count -eq 0 -and [bool]$wanted -eq [bool]$existing) {
            Write-Host "Nothing to do: $domain is as it was saved." -ForegroundColor Green
            return
        }
        Save-State $state $existing '-before-restore'
        if (-not $wanted -and $state.AuthenticationType -ne $type) {
            Invoke-Change 'make the domain Managed' 'Made the domain Managed.' { Write-AuthenticationType $type }
            Confirm-Stored $null $type
            $existing = Read-Federation
        }
        if (-not $wanted -and $existing) {
            Invoke-Change 'remove the federation configuration' 'Removed the federation configuration.' { Remove-Configuration $existing.Id }
        } elseif ($wanted -and -not $existing) {
            Add-Configuration $wanted
        } elseif ($wanted -and $differences.Count -gt 0) {
            Edit-Configuration $existing (Get-Change $wanted $differences) $wanted
        }
        if ((Read-Domain).AuthenticationType -ne $type) {
            Invoke-Change "make the domain $type" "Made the domain $type." { Write-AuthenticationType $type }
        }
        Confirm-Stored $wanted $type
        Show-Done "$domain is $type again, as $path says. It can take up to two hours until every sign-in follows."
        Show-WayBack
