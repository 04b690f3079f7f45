# Shows what Microsoft has stored about the federation of a domain, and changes nothing. The JSON at the end is for
# 'countersign app compare' and 'countersign cert promote --evidence'.
        Connect-Tenant @('Domain-InternalFederation.Read.All', 'Domain.Read.All') | Out-Null
        $state = Read-Domain
        $found = Read-Federation
        Write-Host "$domain is $($state.AuthenticationType)."
        if ($found) {
            $found | Format-List -Property $properties | Out-Host
        } else {
            Write-Host 'It has no federation configuration.'
        }
        Get-StateAsJson $state $found
