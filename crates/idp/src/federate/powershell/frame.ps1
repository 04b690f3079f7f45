# title
# Paste it whole into Windows PowerShell 5.1 or PowerShell 7, or save it as a file and run that. Whatever is not
# as it should be stops it with a reason, and running it again does no harm.
# No line in here is empty: a console without PSReadLine would take an empty line for the end of the block.
& {
    # values
    # common
    # flavor
    #
    try {
        # action
    } catch {
        $failure = $_
        Write-Host "Stopped: $(Get-Reason $failure)" -ForegroundColor Red
        if ($run.Doing -and (Test-Refused $failure)) {
            Write-Host "Microsoft refused this: $($run.Doing)."
            $run.Doing = $null
        }
        if ($run.Doing) { Write-Host "This failed and may or may not have taken effect: $($run.Doing)." }
        if ($run.Changes.Count -gt 0) {
            Write-Host 'Done before that:'
            foreach ($line in $run.Changes) { Write-Host "    $line" }
        }
        try {
            if ($run.Doing -or $run.Changes.Count -gt 0) { Undo-Change }
        } catch {
            Write-Host "Putting it back failed too: $(Get-Reason $_) Run these commands again, or go the way back."
        }
        if ($run.Doing -or $run.Changes.Count -gt 0) { Show-WayBack } else { Write-Host "$domain is as it was." }
        throw $failure
    }
}
