#!/bin/bash
# Compiles the archive and the program.
#   CFLAGS, ANSWER
#   /out      dist/, packages.tsv and tools.txt
#   /runtime  the files of the image
set -euo pipefail

read -ra flags <<< "$CFLAGS"
source=/tree/source

mkdir -p /out/dist/lib /runtime/usr/bin /tmp/objects
gcc "${flags[@]}" -DANSWER="$ANSWER" -c "$source/answer.c" -o /tmp/objects/answer.o
ar rcsD /out/dist/lib/libanswer.a /tmp/objects/answer.o
gcc "${flags[@]}" -static "$source/main.c" /out/dist/lib/libanswer.a -o /runtime/usr/bin/answer

cp /etc/tfbuild-packages.tsv /out/packages.tsv
gcc --version | head -n 1 > /out/tools.txt
