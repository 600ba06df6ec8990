# Completion of @PROGRAM@ for bash: source <(@PROGRAM@ --print-completion-script bash)

_complete_@PROGRAM@() {
    local IFS=$'\n'
    COMPREPLY=( $(compgen -W "$(@PROGRAM@ --complete -- "${COMP_WORDS[@]}")" -- "$2") )
}

# Names of files where nothing else fits.
complete -F _complete_@PROGRAM@ -o default @PROGRAM@
