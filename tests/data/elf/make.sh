#!/bin/sh
# Makes every fixture of this folder; see README.md. Usage: ./make.sh
set -eu
cd "$(dirname "$0")"

small="-ffile-prefix-map=$PWD=. -nostdlib -ffreestanding -fPIC -O1 -fno-asynchronous-unwind-tables -Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code -Wl,--hash-style=gnu"

for arch in x86_64 aarch64; do
  case $arch in
    x86_64) loader=/lib64/ld-linux-x86-64.so.2 ;;
    aarch64) loader=/lib/ld-linux-aarch64.so.1 ;;
  esac
  cc=$arch-linux-gnu-gcc
  strip=$arch-linux-gnu-strip
  rm -rf "$arch"
  mkdir -p "$arch"
  # shellcheck disable=SC2086
  {
    $cc $small -shared -Wl,-soname,libc.so.6 -Wl,--version-script,libc.map -o "$arch/libc.so.6" libc_stub.c
    $cc $small -shared -Wl,-soname,libc.so.6 -Wl,--version-script,libc_old.map -o "$arch/libc-old.so.6" libc_stub.c
    $cc $small -shared -Wl,-soname,libtensorflowlite_c.so -Wl,-z,relro -Wl,-z,now -Wl,--build-id=sha1 \
      -o "$arch/good.so" api.c "$arch/libc.so.6"
    $cc $small -g -DLEAKY -shared -Wl,-z,execstack -Wl,-z,norelro -Wl,-z,lazy -Wl,--build-id=none \
      -Wl,--disable-new-dtags,-rpath,/build/tree/lib -o "$arch/bad.so" api.c "$arch/libc.so.6"
    $cc $small -pie -Wl,--dynamic-linker="$loader" -Wl,-z,relro -Wl,-z,lazy -Wl,--allow-shlib-undefined \
      -Wl,--enable-new-dtags,-rpath,\$ORIGIN/../lib -o "$arch/pie" main.c "$arch/good.so"
    $cc $small -no-pie -static -Wl,--build-id=none -o "$arch/static" static.c
    $cc -c -O1 -o "$arch/object.o" main.c
  }
  # Instruction sets: as -march says; with a kernel that is chosen at run time; with one that nobody chooses.
  case $arch in
    x86_64) old=x86-64-v2 new=x86-64-v3 extra= ;;
    aarch64) old=armv8-a new=armv8.1-a extra=-mno-outline-atomics ;;
  esac
  # shellcheck disable=SC2086
  {
    code="$small -fasynchronous-unwind-tables -O3 -mtune=generic $extra -shared -Wl,--build-id=none isa.c"
    $cc $code -march=$old -o "$arch/isa-old.so"
    $cc $code -march=$new -o "$arch/isa-new.so"
    $cc $code -march=$old -DDISPATCH -o "$arch/isa-dispatch.so"
    $cc $code -march=$old -DSTRAY -o "$arch/isa-stray.so"
    # Nothing is exported and the symbol table is gone: functions are known by the unwind table only.
    $cc $code -march=$old -DDISPATCH -Wl,--version-script,isa.map -o "$arch/isa-nameless-old.so"
    $cc $code -march=$new -DDISPATCH -Wl,--version-script,isa.map -o "$arch/isa-nameless-new.so"
    $cc -c -O1 -fno-asynchronous-unwind-tables -DLEAKY -o "$arch/api.o" api.c
    rm -f "$arch/objects.a"
    "$arch-linux-gnu-ar" rcsD "$arch/objects.a" "$arch/api.o" "$arch/object.o"
    rm "$arch/api.o"
  }
  mkdir -p "$arch/symbols"
  cp "$arch/isa-nameless-old.so" "$arch/symbols/"
  "$strip" "$arch/isa-nameless-old.so" "$arch/isa-nameless-new.so"
  "$strip" "$arch/libc.so.6" "$arch/libc-old.so.6" "$arch/good.so" "$arch/pie" "$arch/static"
  "$arch-linux-gnu-objcopy" --only-keep-debug "$arch/bad.so" "$arch/bad.so.debug"
done

# Text relocations: position-dependent code in a shared library, which only x86-64 of the two links.
# shellcheck disable=SC2086
x86_64-linux-gnu-gcc -nostdlib -shared -fno-pic -mcmodel=large -O1 -Wl,-z,notext -Wl,-z,max-page-size=4096 \
  -Wl,-z,noseparate-code -o x86_64/textrel.so api.c x86_64/libc.so.6

rm -rf broken
mkdir -p broken
head -c 300 x86_64/good.so >broken/truncated.so
head -c 40 x86_64/good.so >broken/header-only.so
# Byte 4 of an ELF file is its class; 1 claims 32 bits for a file laid out for 64.
{ head -c 4 x86_64/good.so; printf '\001'; tail -c +6 x86_64/good.so; } >broken/wrong-class.so
printf 'INPUT(libtensorflowlite_c.so.1)\n' >broken/linker-script.so
: >broken/empty.so
printf '!<arch>\n' >broken/static.a
