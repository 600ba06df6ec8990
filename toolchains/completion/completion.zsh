# Completion of @PROGRAM@ for zsh, with and without compinit: source <(@PROGRAM@ --print-completion-script zsh)

_complete_@PROGRAM@() {
    # compinit's functions have the words in a variable, those of compctl alone read them.
    (( ${+compstate} )) || { local -a words; read -Ac words }
    local -a collection
    [[ "$words" =~ "(-c|--collection) [^ ]+" ]] && collection=( ${=MATCH} )
    reply=( ${(f)"$(@PROGRAM@ $collection --complete -- $words)"} )
}

# Names of files where nothing else fits.
compctl -K _complete_@PROGRAM@ + -f @PROGRAM@
