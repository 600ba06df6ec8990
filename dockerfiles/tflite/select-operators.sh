#!/bin/bash
# Registers some operators alone, in a source tree: what nobody can reach is not linked.
#   select-operators.sh TREE [OPERATORS]   the list is /request/operators, if no other is named
#   LITE_FOLDER
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
lite=$1/$LITE_FOLDER operators=${2:-/request/operators}

for file in core/kernels/register.cc kernels/register.cc kernels/register_ref.cc; do
  [[ -e $lite/$file ]] || continue
  awk -f "$scripts/select-operators.awk" "$operators" "$lite/$file" > "$lite/$file.part" 2> "$lite/$file.count"
  read -r kept all missing < "$lite/$file.count"
  if ((all < 100)); then
    echo "$file registers operators in a way that is not known here: found $all" >&2
    exit 1
  fi
  # The resolver of reference kernels lacks some anyway.
  if [[ -n $missing && $file != kernels/register_ref.cc ]]; then
    echo "a model needs what this release does not have: $missing" >&2
    exit 1
  fi
  echo "$file: $kept of $all operators are kept"
  mv "$lite/$file.part" "$lite/$file"
  rm "$lite/$file.count"
done

# Who loads another model shall not be told to look for a newer library.
message=core/api/op_resolver.cc
old='"An older version of this builtin might be supported. "'
new='"This library has the operators of some models alone (tflite.ops=from-models); another model may need more. "'
if ! grep --quiet --fixed-strings "$old" "$lite/$message"; then
  echo "$message has another text for an operator that is not there" >&2
  exit 1
fi
sed -i "s|$old|$new|" "$lite/$message"
