# Leaves out of a BuiltinOpResolver what no wanted model uses.
#   awk -f select-operators.awk /request/operators register.cc
# The first file has a wanted operator a line: "builtin CONV_2D", "custom Mfcc". Of the second each statement
# "AddBuiltin(BuiltinOperator_CONV_2D, ...);" or "AddCustom("Mfcc", ...);" is kept or left out whole.
# On standard error: how many of how many were kept, and which wanted ones are not there.

FNR == NR {
  wanted[$1, $2]
  next
}

/^ *AddBuiltin\(BuiltinOperator_/ {
  name = $0
  sub(/^ *AddBuiltin\(BuiltinOperator_/, "", name)
  sub(/[^A-Z0-9_].*/, "", name)
  begin("builtin", name)
}

/^ *AddCustom\("/ {
  split($0, quoted, "\"")
  begin("custom", quoted[2])
}

{
  if (!(inside && dropped)) print
  if (inside && /\); *$/) inside = 0
}

function begin(kind, name) {
  inside = 1
  dropped = !((kind, name) in wanted)
  seen[kind, name]
  all++
  kept += !dropped
}

END {
  missing = ""
  for (each in wanted) if (!(each in seen)) {
    split(each, words, SUBSEP)
    missing = missing " " words[2]
  }
  printf "%d %d%s\n", kept, all, missing > "/dev/stderr"
}
