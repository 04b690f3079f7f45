# Federates a Microsoft 365 domain with Countersign.
# Paste it whole into Windows PowerShell 5.1 or PowerShell 7. It checks first, changes second and
# compares last; whatever is not as it should be stops it with a reason. Pasting it again does no harm.
# No line in here is empty: a console without PSReadLine would take an empty line for the end of the block.
& {
    # values
    Set-StrictMode -Off
    $ErrorActionPreference = 'Stop'
    $module = 'Microsoft.Graph.Identity.DirectoryManagement'
    $scopes = @('Domain-InternalFederation.ReadWrite.All', 'Domain.ReadWrite.All')
    $properties = @(
        'Id', 'DisplayName', 'IssuerUri', 'PassiveSignInUri', 'SignOutUri', 'ActiveSignInUri', 'MetadataExchangeUri',
        'PasswordResetUri', 'SigningCertificate', 'NextSigningCertificate', 'PreferredAuthenticationProtocol',
        'PromptLoginBehavior', 'FederatedIdpMfaBehavior', 'IsSignedAuthenticationRequestRequired'
    )
    $notCompared = @('Id', 'IsSignedAuthenticationRequestRequired')
    $caseless = @('PreferredAuthenticationProtocol', 'PromptLoginBehavior', 'FederatedIdpMfaBehavior')
    $endpoints = @('ActiveSignInUri', 'MetadataExchangeUri', 'PasswordResetUri')
    $endpointsNotOurs = @($endpoints | Where-Object { -not $settings.ContainsKey($_) })
    $changes = @()
    $step = $null
    $state = $null
    $saved = $null
    #
    function Test-SameText($one, $other) {
        [string]::Equals([string]$one, [string]$other, [System.StringComparison]::Ordinal)
    }
    function ConvertTo-Literal($text) {
        "'" + ([string]$text -replace '[''\u2018-\u201B]', '$0$0') + "'"
    }
    function ConvertTo-BareCertificate($text) {
        [string]$text -replace '-----[^-]+-----|\s', ''
    }
    function Read-Federation {
        try {
            Get-MgDomainFederationConfiguration -DomainId $domain -ErrorAction Stop | Select-Object -Property $properties
        } catch {
            # Graph answers 404 for a domain that has no configuration.
            if ("$($_.FullyQualifiedErrorId) $($_.Exception.Message)" -notmatch 'ResourceNotFound|does not exist') { throw }
        }
    }
    function Compare-Federation($found) {
        foreach ($name in $properties) {
            if ($notCompared -contains $name) { continue }
            $expected = [string]$settings[$name]
            $actual = [string]$found.$name
            if ($name -like '*Certificate') { $actual = ConvertTo-BareCertificate $actual }
            # Whoever holds the key of the next certificate can sign in as anybody: none, or ours.
            if ($name -eq 'NextSigningCertificate' -and $actual) { $expected = $settings.SigningCertificate }
            $same = Test-SameText $expected $actual
            if ($caseless -contains $name) { $same = $expected -eq $actual }
            if (-not $same) { New-Object -TypeName PSObject -Property @{ Setting = $name; Expected = $expected; Found = $actual } }
        }
    }
    function Save-Federation($found) {
        $file = 'federation-{0}-{1}.json' -f ($domain -replace '[^A-Za-z0-9.-]', '_'), (Get-Date -Format 'yyyyMMdd-HHmmss-fff')
        $path = Join-Path -Path $HOME -ChildPath $file
        $found | ConvertTo-Json | Out-File -LiteralPath $path -Encoding utf8 -NoClobber -ErrorAction Stop
        $path
    }
    # The cmdlets cannot send null, and an address left over would go on receiving people's passwords.
    function Get-FederationAddress {
        '/v1.0/domains/{0}/federationConfiguration/{1}' -f [uri]::EscapeDataString($domain), [uri]::EscapeDataString($existing.Id)
    }
    function ConvertTo-Nulls($names) {
        $nulls = @{}
        foreach ($name in $names) { $nulls[$name.Substring(0, 1).ToLowerInvariant() + $name.Substring(1)] = $null }
        ConvertTo-Json -InputObject $nulls -Compress
    }
    function Show-WayBack {
        $name = ConvertTo-Literal $domain
        Write-Host 'The way back, should you need it:'
        if ($state.AuthenticationType -eq 'Federated' -and $saved) {
            $path = ConvertTo-Literal $saved
            $id = ConvertTo-Literal $existing.Id
            Write-Host '    $old = @{}'
            Write-Host "    (Get-Content -LiteralPath $path -Raw | ConvertFrom-Json).PSObject.Properties | Where-Object { `$_.Value -and `$_.Name -ne 'Id' } | ForEach-Object { `$old[`$_.Name] = `$_.Value }"
            Write-Host "    Update-MgDomainFederationConfiguration -DomainId $name -InternalDomainFederationId $id @old"
            $new = @($endpoints | Where-Object { $settings.ContainsKey($_) -and -not $existing.$_ })
            if ($new.Count -gt 0) {
                $uri = ConvertTo-Literal (Get-FederationAddress)
                $body = ConvertTo-Literal (ConvertTo-Nulls $new)
                Write-Host "    Invoke-MgGraphRequest -Method PATCH -Uri $uri -Body $body -ContentType 'application/json'"
            }
        } else {
            Write-Host "    Update-MgDomain -DomainId $name -AuthenticationType Managed"
            Write-Host '    People who have no password at Microsoft need a new one then.'
        }
    }
    #
    try {
        # 1. This machine and this script.
        foreach ($name in 'Microsoft.Graph.Authentication', $module) {
            if (-not (Get-Module -ListAvailable -Name $name)) {
                throw "The module $name is missing. Install it and paste this again: Install-Module -Name $module -Scope CurrentUser"
            }
        }
        Import-Module -Name $module -ErrorAction Stop
        if (@(Get-Module -Name $module | ForEach-Object { [string]$_.Version }) -contains '2.26.0') {
            throw "Version 2.26.0 of $module drops slashes from addresses. Run Update-Module -Name $module, open a new window and paste this again."
        }
        try {
            $der = [System.Convert]::FromBase64String($settings.SigningCertificate)
            $certificate = New-Object -TypeName System.Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, $der)
        } catch {
            throw "The signing certificate cannot be read, so these commands were damaged on their way. Fetch them again from $source"
        }
        if ($certificate.Thumbprint -ne $thumbprint) {
            throw "The signing certificate is not the one with thumbprint $thumbprint, so these commands were damaged on their way. Fetch them again from $source"
        }
        #
        # 2. The tenant and the domain.
        Connect-MgGraph -Scopes $scopes -Environment $environment -ContextScope Process -ErrorAction Stop | Out-Null
        $account = [string](Get-MgContext -ErrorAction Stop).Account
        $accountDomain = $account.Split('@')[-1]
        if ($accountDomain -eq $domain -or $accountDomain.EndsWith(".$domain", [System.StringComparison]::OrdinalIgnoreCase)) {
            throw "You are signed in as $account, whose own sign-in would be federated too: a mistake would lock you out. Run Disconnect-MgGraph, sign in with an administrator of the tenant's onmicrosoft domain and paste this again."
        }
        $state = Get-MgDomain -DomainId $domain -ErrorAction Stop
        if ($state.IsInitial -or $domain -match '\.(onmicrosoft\.com|onmicrosoft\.us|onmschina\.cn)$') {
            throw "$domain was given by Microsoft, and such a domain cannot be federated."
        }
        if (-not $state.IsVerified) {
            throw "$domain is not verified. Finish its verification in the Microsoft 365 admin center, then paste this again."
        }
        if ($state.IsDefault) {
            throw "$domain is the tenant's default domain, and that cannot be federated. Make another domain the default, then paste this again."
        }
        if (-not $state.IsRoot) {
            throw "$domain is a subdomain that takes its federation from the domain above it. Federate that one, or promote $domain to a root domain first."
        }
        #
        # 3. What is there already.
        $present = @(Read-Federation)
        if ($present.Count -gt 1) {
            throw "$domain has $($present.Count) federation configurations where Microsoft allows one. Remove what is not wanted, then paste this again."
        }
        if ($present.Count -eq 0 -and $state.AuthenticationType -eq 'Federated') {
            throw "$domain is federated, but Microsoft shows no configuration for it, so there is none to save or to change. Make the domain Managed first, or ask Microsoft's support."
        }
        $existing = $null
        $differences = @()
        if ($present.Count -eq 1) {
            $existing = $present[0]
            $differences = @(Compare-Federation $existing)
        }
        if ($differences.Count -gt 0) {
            $saved = Save-Federation $existing
            Write-Host "Saved the present federation configuration to $saved"
        }
        if ($existing -and -not (Test-SameText $existing.IssuerUri $settings.IssuerUri)) {
            # The consent names the domain, so that one left over in this window replaces no other domain's federation.
            $consent = [string](Get-Variable -Name 'ReplaceFederationOf' -ValueOnly -ErrorAction Ignore)
            if ($consent -ne $domain) {
                throw "$domain is federated already, with $($existing.IssuerUri). To replace that federation, run `$ReplaceFederationOf = $(ConvertTo-Literal $domain) and paste this again."
            }
        }
        #
        # 4. The change.
        if (-not $existing) {
            $step = 'create the federation configuration'
            New-MgDomainFederationConfiguration -DomainId $domain @settings -ErrorAction Stop | Out-Null
            $changes += 'Created the federation configuration.'
        } elseif ($differences.Count -gt 0) {
            $update = $settings.Clone()
            $differing = @($differences | ForEach-Object { $_.Setting })
            if ($differing -contains 'NextSigningCertificate') { $update['NextSigningCertificate'] = $settings.SigningCertificate }
            $step = 'update the federation configuration'
            Update-MgDomainFederationConfiguration -DomainId $domain -InternalDomainFederationId $existing.Id @update -ErrorAction Stop | Out-Null
            $changes += 'Updated the federation configuration.'
            $clear = @($endpointsNotOurs | Where-Object { $differing -contains $_ })
            if ($clear.Count -gt 0) {
                $step = 'clear the addresses of the former federation'
                Invoke-MgGraphRequest -Method PATCH -Uri (Get-FederationAddress) -Body (ConvertTo-Nulls $clear) -ContentType 'application/json' -ErrorAction Stop | Out-Null
                $changes += 'Cleared the addresses of the former federation.'
            }
        }
        $step = $null
        if ((Get-MgDomain -DomainId $domain -ErrorAction Stop).AuthenticationType -ne 'Federated') {
            $step = 'make the domain Federated'
            Update-MgDomain -DomainId $domain -AuthenticationType 'Federated' -ErrorAction Stop | Out-Null
            $changes += 'Made the domain Federated.'
            $step = $null
        }
        #
        # 5. What Microsoft stored; a change can take a moment until it can be read.
        for ($attempt = 1; $attempt -le 6; $attempt++) {
            $differences = @(Compare-Federation (@(Read-Federation)[0]))
            $type = [string](Get-MgDomain -DomainId $domain -ErrorAction Stop).AuthenticationType
            if ($type -ne 'Federated') {
                $differences += New-Object -TypeName PSObject -Property @{ Setting = 'AuthenticationType'; Expected = 'Federated'; Found = $type }
            }
            if ($differences.Count -eq 0) { break }
            if ($attempt -lt 6) { Start-Sleep -Seconds 5 }
        }
        if ($differences.Count -gt 0) {
            $differences | Format-List -Property Setting, Expected, Found | Out-Host
            throw "Microsoft stored something else than was sent: see the $($differences.Count) difference(s) above."
        }
        #
        if ($changes.Count -eq 0) {
            Write-Host "Nothing to do: $domain is federated with this app, and every setting is as it should be." -ForegroundColor Green
        } else {
            $changes | ForEach-Object { Write-Host $_ }
            Write-Host "$domain is federated now, and Microsoft has stored every setting as it was sent." -ForegroundColor Green
            Write-Host 'It can take up to two hours until every sign-in follows. Try it in a private browser window.'
            if ($settings.PreferredAuthenticationProtocol -eq 'saml') {
                Write-Host 'A domain that speaks SAML cannot join Windows devices, nor sign in to Windows with a password.'
            }
            Show-WayBack
        }
    } catch {
        Write-Host "Stopped: $($_.Exception.Message)" -ForegroundColor Red
        if ($step) { Write-Host "This failed and may or may not have taken effect: $step. Pasting the commands again finds out." }
        if ($changes.Count -gt 0) {
            Write-Host 'Done before that:'
            $changes | ForEach-Object { Write-Host "    $_" }
        }
        if ($step -or $changes.Count -gt 0) { Show-WayBack } else { Write-Host 'Nothing was changed.' }
        throw
    }
}
