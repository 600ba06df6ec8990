#!/bin/sh
# Makes every fixture of this folder; see README.md. Usage: ./make.sh
set -eu
cd "$(dirname "$0")"

cc=x86_64-linux-gnu-gcc
strip=x86_64-linux-gnu-strip
small="-ffile-prefix-map=$PWD=. -nostdlib -ffreestanding -fPIC -O1 -fno-asynchronous-unwind-tables -fcf-protection=none -Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code -Wl,--hash-style=gnu -Wl,--build-id=none"
libc=../elf/x86_64/libc.so.6

rm -rf lib
mkdir lib
# shellcheck disable=SC2086
{
  $cc $small -shared -Wl,-soname,libstdc++.so.6 -Wl,--version-script,stdcxx-new.map -o lib/libstdc++-new.so stdcxx.c
  $cc $small -shared -Wl,-soname,libstdc++.so.6 -Wl,--version-script,stdcxx-old.map -o lib/libstdc++-old.so stdcxx.c
  $cc $small -shared -Wl,-soname,libc.so.6 -Wl,--version-script,../elf/libc.map -o lib/libc-linux-9.so \
    ../elf/libc_stub.c abi_note.c
  for name in libcuda.so.1 libcudart.so.12 libcudnn.so.9 libavcodec-ffmpeg.so.56; do
    $cc $small -shared -Wl,-soname,"$name" -o "lib/$name" stub.c
  done
  $cc $small -shared -Wl,--no-as-needed -o lib/tensorflow.so user.c lib/libstdc++-new.so "$libc"
  $cc $small -shared -Wl,--no-as-needed -Wl,-z,x86-64-v4 -o lib/tensorflow-v4.so user.c lib/libstdc++-new.so "$libc"
  $cc $small -shared -Wl,--no-as-needed -o lib/tensorflow-cuda.so user.c lib/libstdc++-new.so "$libc" \
    lib/libcuda.so.1 lib/libcudart.so.12 lib/libcudnn.so.9
  $cc $small -shared -Wl,--no-as-needed -o lib/plug-in.so user.c lib/libstdc++-new.so "$libc" \
    lib/libavcodec-ffmpeg.so.56
  $cc $small -fno-pic -no-pie -static -o lib/speaker speaker.c
}
"$strip" lib/*
rm lib/libcuda.so.1 lib/libavcodec-ffmpeg.so.56
