# Completion of @PROGRAM@ for fish: @PROGRAM@ --print-completion-script fish | source

function __complete_@PROGRAM@
    set --local found (@PROGRAM@ --complete -- (commandline --tokenize --cut-at-cursor --current-process))
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        # Names of files where nothing else fits.
        __fish_complete_path (commandline --current-token)
    end
end

complete --command @PROGRAM@ --no-files --arguments '(__complete_@PROGRAM@)'
