# Leaves out of a BuiltinOpResolver what no wanted model uses.
#   awk -f select-operators.awk /request/operators register.cc
# The first file has a wanted operator a line: "builtin CONV_2D", "custom Mfcc". Of the second each statement
# "AddBuiltin(BuiltinOperator_CONV_2D, ...);" or "AddCustom("Mfcc", ...);" is kept or left out whole.
# On standard error: how many of how many were kept.

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
  all++
  kept += !dropped
}

END {
  printf "%d %d\n", kept, all > "/dev/stderr"
}
