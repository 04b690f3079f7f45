    $modules = @('Microsoft.Graph.Authentication')
    #
    function Read-Domain {
        Invoke-Graph 'GET' $domainAddress
    }
    function Write-AuthenticationType($type) {
        Invoke-Graph 'PATCH' $domainAddress @{ authenticationType = $type }
    }
    function Read-Configurations {
        (Invoke-Graph 'GET' "$domainAddress/federationConfiguration").value
    }
    function New-Configuration($wanted) {
        Invoke-Graph 'POST' "$domainAddress/federationConfiguration" (ConvertTo-Body $wanted)
    }
    function Update-Configuration($id, $change) {
        Invoke-Graph 'PATCH' (Get-ConfigurationAddress $id) (ConvertTo-Body $change)
    }
    function Remove-Configuration($id) {
        Invoke-Graph 'DELETE' (Get-ConfigurationAddress $id)
    }
    function Read-Users {
        $uri = '/v1.0/users?$select=id,userPrincipalName,accountEnabled,onPremisesImmutableId,onPremisesSyncEnabled&$top=999'
        while ($uri) {
            $page = Invoke-Graph 'GET' $uri
            $page.value
            $uri = $page.'@odata.nextLink'
        }
    }
    function Write-ImmutableId($id, $anchor) {
        Invoke-Graph 'PATCH' "/v1.0/users/$([uri]::EscapeDataString($id))" @{ onPremisesImmutableId = $anchor }
    }
