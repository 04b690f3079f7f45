    $modules = @('Microsoft.Graph.Authentication', 'Microsoft.Graph.Identity.DirectoryManagement')
    #
    function Read-Domain {
        Invoke-Patiently { Get-MgDomain -DomainId $domain -ErrorAction Stop }
    }
    function Write-AuthenticationType($type) {
        Invoke-Patiently { Update-MgDomain -DomainId $domain -AuthenticationType $type -ErrorAction Stop }
    }
    function Read-Configurations {
        Invoke-Patiently { Get-MgDomainFederationConfiguration -DomainId $domain -ErrorAction Stop }
    }
    function New-Configuration($wanted) {
        Invoke-Patiently { New-MgDomainFederationConfiguration -DomainId $domain @wanted -ErrorAction Stop }
    }
    # The cmdlets cannot send null, and an address left over would go on receiving people's passwords.
    function Update-Configuration($id, $change) {
        if (@($change.Values | Where-Object { $null -eq $_ }).Count -gt 0) {
            Invoke-Graph 'PATCH' (Get-ConfigurationAddress $id) (ConvertTo-Body $change)
        } else {
            Invoke-Patiently { Update-MgDomainFederationConfiguration -DomainId $domain -InternalDomainFederationId $id @change -ErrorAction Stop }
        }
    }
    function Remove-Configuration($id) {
        Invoke-Patiently { Remove-MgDomainFederationConfiguration -DomainId $domain -InternalDomainFederationId $id -ErrorAction Stop }
    }
    function Read-Users {
        Invoke-Patiently { Get-MgUser -All -PageSize 999 -Property id, userPrincipalName, accountEnabled, onPremisesImmutableId, onPremisesSyncEnabled -ErrorAction Stop }
    }
    function Write-ImmutableId($id, $anchor) {
        Invoke-Patiently { Update-MgUser -UserId $id -OnPremisesImmutableId $anchor -ErrorAction Stop }
    }
