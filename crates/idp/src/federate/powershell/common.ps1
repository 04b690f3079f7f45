    Set-StrictMode -Off
    $ErrorActionPreference = 'Stop'
    $properties = @(
        'DisplayName', 'IssuerUri', 'PassiveSignInUri', 'SignOutUri', 'ActiveSignInUri', 'MetadataExchangeUri',
        'PasswordResetUri', 'SigningCertificate', 'NextSigningCertificate', 'PreferredAuthenticationProtocol',
        'PromptLoginBehavior', 'FederatedIdpMfaBehavior', 'IsSignedAuthenticationRequestRequired'
    )
    $caseless = @('PreferredAuthenticationProtocol', 'PromptLoginBehavior', 'FederatedIdpMfaBehavior')
    $domainAddress = '/v1.0/domains/{0}' -f [uri]::EscapeDataString($domain)
    # What this run does and has done; functions change what it holds.
    $run = @{ Doing = $null; Changes = @(); Saved = $null; Created = $false; Before = $null; Sent = $null }
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
    function Test-Within($name) {
        $name -eq $domain -or ([string]$name).EndsWith(".$domain", [System.StringComparison]::OrdinalIgnoreCase)
    }
    # The consent names the domain, so that one left over in this window changes no other domain.
    function Test-Consent($variable) {
        [string](Get-Variable -Name $variable -ValueOnly -ErrorAction Ignore) -eq $domain
    }
    function Get-Reason($failure) {
        $reason = [string]$failure.Exception.Message
        $all = "$($failure.FullyQualifiedErrorId) $reason $([string]$failure.ErrorDetails.Message)"
        if ([string]$failure.ErrorDetails.Message -match '"message"\s*:\s*"([^"]+)"') { $reason = "$reason $($Matches[1])" }
        if ($all -match 'Authorization_RequestDenied|Forbidden|Insufficient privileges') {
            $reason += ' Your account lacks a permission or a role for this. Sign in as a Domain Name Administrator or Hybrid Identity Administrator and consent to the permissions asked for; some tenants want Directory.AccessAsUser.All as well.'
        }
        if ($all -match 'MultipleObjectsWithSameKeyValue') {
            $reason += ' Another domain, maybe of another tenant, uses this issuer already. Give the app another one.'
        }
        if ($all -match 'already has Federation Configuration') {
            $reason += ' Microsoft has a configuration that it did not show a moment ago. Wait a minute and run these commands again.'
        }
        $reason
    }
    # What Microsoft refused has had no effect; after any other failure nobody knows.
    function Test-Refused($failure) {
        $status = [int]$failure.Exception.Response.StatusCode
        ($status -ge 400 -and $status -lt 500) -or [string]$failure.FullyQualifiedErrorId -match '^(Request_|Authorization_|BadRequest|Forbidden)'
    }
    function Test-Missing($failure) {
        [int]$failure.Exception.Response.StatusCode -eq 404 -or "$($failure.FullyQualifiedErrorId) $($failure.Exception.Message)" -match 'ResourceNotFound|does not exist'
    }
    # Microsoft answers 429 to whoever asks too much, and says for how many seconds to be quiet.
    function Invoke-Patiently($call) {
        for ($attempt = 1; $true; $attempt++) {
            try {
                return (& $call)
            } catch {
                $response = $_.Exception.Response
                $throttled = [int]$response.StatusCode -eq 429 -or "$($_.FullyQualifiedErrorId) $($_.Exception.Message)" -match 'TooManyRequests'
                if (-not $throttled -or $attempt -ge 10) { throw }
                $seconds = 10
                if ($response.Headers.RetryAfter.Delta) { $seconds = [int]$response.Headers.RetryAfter.Delta.TotalSeconds + 1 }
                Write-Host "Microsoft asks for patience: waiting $seconds seconds."
                Start-Sleep -Seconds $seconds
            }
        }
    }
    # A bare 'application/json' would send the body as Latin-1.
    function Invoke-Graph($method, $uri, $body) {
        if ($null -eq $body) {
            Invoke-Patiently { Invoke-MgGraphRequest -Method $method -Uri $uri -OutputType PSObject -ErrorAction Stop }
        } else {
            $json = ConvertTo-Json -InputObject $body -Compress
            Invoke-Patiently { Invoke-MgGraphRequest -Method $method -Uri $uri -Body $json -ContentType 'application/json; charset=utf-8' -OutputType PSObject -ErrorAction Stop }
        }
    }
    function Invoke-Change($doing, $done, $action) {
        $run.Doing = $doing
        & $action | Out-Null
        $run.Changes += $done
        $run.Doing = $null
    }
    function Connect-Tenant($scopes) {
        foreach ($name in $modules) {
            if (-not (Get-Module -ListAvailable -Name $name)) {
                throw "The module $name is missing. Install it and run these commands again: Install-Module -Name $name -Scope CurrentUser"
            }
            Import-Module -Name $name -ErrorAction Stop
            if ($name -ne 'Microsoft.Graph.Authentication' -and @(Get-Module -Name $name | ForEach-Object { [string]$_.Version }) -contains '2.26.0') {
                throw "Version 2.26.0 of $name drops slashes from addresses. Run Update-Module -Name $name, open a new window and run these commands again."
            }
        }
        Connect-MgGraph -Scopes $scopes -Environment $environment -ContextScope Process -ErrorAction Stop | Out-Null
        [string](Get-MgContext -ErrorAction Stop).Account
    }
    function Assert-Outside($account) {
        if (Test-Within ($account.Split('@')[-1])) {
            throw "You are signed in as $account, whose own sign-in would be federated too: a mistake would lock you out. Run Disconnect-MgGraph, sign in with an administrator of the tenant's onmicrosoft domain and run these commands again."
        }
    }
    function Assert-Certificate($certificate, $expected) {
        try {
            $der = [System.Convert]::FromBase64String($certificate)
            $found = (New-Object -TypeName System.Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, $der)).Thumbprint
        } catch {
            throw "The certificate $expected cannot be read, so these commands were damaged on their way. Fetch them again from $source"
        }
        if ($found -ne $expected) {
            throw "The certificate is not the one with thumbprint $expected, so these commands were damaged on their way. Fetch them again from $source"
        }
    }
    function Get-Obstacles($state) {
        if ($state.IsInitial -or $domain -match '\.(onmicrosoft\.com|onmicrosoft\.us|onmschina\.cn)$') {
            "$domain was given by Microsoft, and such a domain cannot be federated."
        }
        if (-not $state.IsVerified) {
            "$domain is not verified. Finish its verification in the Microsoft 365 admin center first."
        }
        if ($state.IsDefault) {
            "$domain is the tenant's default domain, and that cannot be federated. Make another domain the default first."
        }
        if (-not $state.IsRoot) {
            "$domain is a subdomain that takes its federation from the domain above it. Federate that one, or promote $domain to a root domain first."
        }
    }
    # The one configuration of the domain, or nothing.
    function Read-Federation {
        $found = @()
        try {
            $found = @(Read-Configurations | Where-Object { $_ })
        } catch {
            # Graph answers 404 for a domain that has no configuration.
            if (-not (Test-Missing $_)) { throw }
        }
        if ($found.Count -gt 1) {
            throw "$domain has $($found.Count) federation configurations where Microsoft allows one. Remove what is not wanted, then run these commands again."
        }
        if ($found.Count -eq 1) { $found[0] }
    }
    function Read-OurFederation {
        $found = Read-Federation
        if (-not $found) {
            throw "$domain has no federation configuration, so there is no certificate to change. The commands that federate it are at $source"
        }
        if (-not (Test-SameText $found.IssuerUri $settings.IssuerUri)) {
            throw "$domain is federated with $($found.IssuerUri) and not with this app, whose issuer is $($settings.IssuerUri)."
        }
        $found
    }
    function Compare-Federation($found, $wanted) {
        foreach ($name in $properties) {
            $expected = [string]$wanted[$name]
            $actual = [string]$found.$name
            if ($name -like '*Certificate') { $actual = ConvertTo-BareCertificate $actual }
            $same = Test-SameText $expected $actual
            if ($caseless -contains $name) { $same = $expected -eq $actual }
            if ($name -eq 'IsSignedAuthenticationRequestRequired') { $same = $expected -eq '' -or ($expected -eq 'True') -eq ($actual -eq 'True') }
            if (-not $same) { [pscustomobject]@{ Setting = $name; Expected = $expected; Found = $actual } }
        }
    }
    # Ours, and the next certificate as it stands if it is one of ours: whoever holds its key can sign in as anybody.
    function Get-Wanted($found) {
        $wanted = $settings.Clone()
        $stored = ConvertTo-BareCertificate $found.NextSigningCertificate
        if ($stored) {
            $wanted['NextSigningCertificate'] = $settings.SigningCertificate
            if ($next) { $wanted['NextSigningCertificate'] = $next }
            if ((Test-SameText $stored $next) -or (Test-SameText $stored $settings.SigningCertificate)) { $wanted['NextSigningCertificate'] = $stored }
        }
        $wanted
    }
    # What to send so that those differences vanish: null for what is there and is not wanted.
    function Get-Change($wanted, $differences) {
        $change = $wanted.Clone()
        foreach ($difference in $differences) {
            if (-not $difference.Expected) { $change[$difference.Setting] = $null }
        }
        $change
    }
    function ConvertTo-Body($values) {
        $body = @{ '@odata.type' = '#microsoft.graph.internalDomainFederation' }
        foreach ($name in $properties) {
            if ($values.ContainsKey($name)) { $body[$name.Substring(0, 1).ToLowerInvariant() + $name.Substring(1)] = $values[$name] }
        }
        $body
    }
    function Get-Values($found) {
        $values = @{}
        foreach ($name in $properties) { $values[$name] = $found.$name }
        $values
    }
    function Add-Configuration($wanted) {
        $run.Created = $true
        Invoke-Change 'create the federation configuration' 'Created the federation configuration.' { New-Configuration $wanted }
        Confirm-Stored $wanted ''
    }
    function Edit-Configuration($existing, $change, $wanted) {
        $run.Before = $existing
        $run.Sent = $change
        Invoke-Change 'update the federation configuration' 'Updated the federation configuration.' { Update-Configuration $existing.Id $change }
        Confirm-Stored $wanted ''
    }
    # Whether a change of which no answer came is there after all, which can take a moment to be seen.
    function Test-Changed {
        if ($run.Changes.Count -gt 0) { return $true }
        for ($attempt = 1; $attempt -le 6; $attempt++) {
            $found = Read-Federation
            if ($run.Created -and $found) { return $true }
            if ($run.Before -and @(Compare-Federation $found (Get-Values $run.Before)).Count -gt 0) { return $true }
            if ($attempt -lt 6) { Start-Sleep -Seconds 5 }
        }
        $false
    }
    # Puts back what this run has changed about the configuration.
    function Undo-Change {
        if (-not $run.Created -and -not $run.Before) { return }
        if (Test-Changed) {
            if ($run.Created) {
                # Microsoft may have made the domain Federated when it stored the configuration.
                try { Write-AuthenticationType 'Managed' | Out-Null } catch { Write-Host "It may be Managed already: $(Get-Reason $_)" }
                $left = Read-Federation
                try {
                    if ($left) { Remove-Configuration $left.Id | Out-Null }
                } catch {
                    if (-not (Test-Missing $_)) { throw }
                }
                Write-Host 'Took the new federation configuration out again.'
            } else {
                $former = @{}
                foreach ($name in @($run.Sent.Keys)) { $former[$name] = $run.Before.$name }
                Update-Configuration $run.Before.Id $former | Out-Null
                Write-Host 'Put the former federation configuration back.'
            }
        }
        $run.Doing = $null
        $run.Changes = @()
    }
    function Get-ConfigurationAddress($id) {
        "$domainAddress/federationConfiguration/$([uri]::EscapeDataString($id))"
    }
    function Get-StateAsJson($state, $found) {
        $copy = [ordered]@{ DomainId = $domain; AuthenticationType = [string]$state.AuthenticationType; Id = $found.Id }
        foreach ($name in $properties) { $copy[$name] = $found.$name }
        ConvertTo-Json -InputObject $copy
    }
    # The time is UTC, so that files sort by it; $mark keeps what 'restore' saves from being restored unasked.
    function Save-State($state, $found, $mark) {
        $time = [DateTime]::UtcNow.ToString('yyyyMMdd-HHmmss-fff', [System.Globalization.CultureInfo]::InvariantCulture)
        $file = 'federation-{0}-{1}Z{2}.json' -f ($domain -replace '[^A-Za-z0-9.-]', '_'), $time, $mark
        $path = Join-Path -Path $HOME -ChildPath $file
        Get-StateAsJson $state $found | Out-File -LiteralPath $path -Encoding utf8 -NoClobber -ErrorAction Stop
        $run.Saved = $path
        Write-Host "Saved the present state of $domain to $path"
    }
    # A change can take a moment until it can be read.
    function Confirm-Stored($wanted, $type) {
        for ($attempt = 1; $attempt -le 24; $attempt++) {
            $differences = @()
            if ($wanted) {
                $found = Read-Federation
                $differences = @(Compare-Federation $found $wanted)
            }
            if ($type) {
                $actual = [string](Read-Domain).AuthenticationType
                if ($actual -ne $type) { $differences += [pscustomobject]@{ Setting = 'AuthenticationType'; Expected = $type; Found = $actual } }
            }
            if ($differences.Count -eq 0) { return }
            if ($attempt -lt 24) { Start-Sleep -Seconds 5 }
        }
        $differences | Format-List -Property Setting, Expected, Found | Out-Host
        throw "Microsoft stored something else than was sent: see the $($differences.Count) difference(s) above."
    }
    function Show-WayBack {
        if ($run.Saved) {
            Write-Host "The way back, should you need it: run the commands 'restore' of $source or of the rescue pack, after"
            Write-Host "    `$RestoreFrom = $(ConvertTo-Literal $run.Saved)"
        }
    }
    function Show-Done($summary) {
        foreach ($change in $run.Changes) { Write-Host $change }
        Write-Host $summary -ForegroundColor Green
    }
