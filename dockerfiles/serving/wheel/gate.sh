#!/bin/bash
# Looks at the linked server: what would load, start, and then answer wrongly or crash. Each fault is told with the
# names of its symbols.
#   TRIPLET
#   /request/operators, /further/operators   libraries of operators: their names, and they
#   /tree/build   the server and its objects      /tree/wheel/tensorflow   the libraries that it is linked with
set -euo pipefail

server=/tree/build/tensorflow_model_server
nm=$TRIPLET-nm
faults=0

fault() { # TEXT, and symbols on the standard input
  faults=$((faults + 1))
  echo "error: $1" >&2
  c++filt | sort -u | head -n 8 | sed 's/^/  /' >&2
}

# Names as the linker has them, without versions.
names() { # OPTION FILE
  "$nm" --dynamic "$1" --format=posix "$2" | sed 's/[@ ].*//' | sort -u
}

# --- nothing is left to be found when the server starts ----------------------------------------------------------
names --defined-only "$server" > /tmp/exported
{
  cat /tmp/exported
  for library in /tree/wheel/tensorflow/libtensorflow_*.so.*; do names --defined-only "$library"; done
} | sort -u > /tmp/there
# Of the C and C++ libraries everything has a version.
"$nm" --dynamic --undefined-only --format=posix "$server" | grep -v '@' | grep -v ' w ' | sed 's/ .*//' | sort -u > /tmp/wanted
comm -23 /tmp/wanted /tmp/there > /tmp/missing
if [[ -s /tmp/missing ]]; then
  fault "no library has these symbols, which the server needs" < /tmp/missing
fi

# --- neither is of the libraries of operators, which are loaded when it starts ------------------------------------
while read -r name; do
  library=/further/operators/$name
  {
    cat /tmp/there
    names --defined-only "$library"
  } | sort -u > /tmp/operators-there
  "$nm" --dynamic --undefined-only --format=posix "$library" | awk '!/@/ && !/ w / { print $1 }' | sort -u |
    comm -23 - /tmp/operators-there > /tmp/missing
  if [[ -s /tmp/missing ]]; then
    fault "$name (serving.op_libraries) needs these symbols, which neither the server nor TensorFlow has" < /tmp/missing
  fi
done < /request/operators

# --- nothing of the linked archives is seen from outside: TensorFlow has copies of some, and would call ours ------
# By the name of a function itself, without its arguments.
paste <(c++filt --no-params < /tmp/exported) /tmp/exported > /tmp/exported-names
awk -F '\t' '
  $1 ~ /^(grpc::|grpc_|gpr_|re2::|SSL_|CRYPTO_|EVP_|X509_|BN_|ares_|curl_|evhttp_|evbuffer_|event_|inflate|deflate)/ { print $2 }
' /tmp/exported-names > /tmp/leaked
if [[ -s /tmp/leaked ]]; then
  fault "the server exports symbols of libraries that TensorFlow has its own copies of" < /tmp/leaked
fi

# --- gRPC's headers see the wheel's Abseil, gRPC's archive was compiled with another ------------------------------
# A mutex of both is one word, and its destructor reads a bit of it that nobody sets; what locks or waits is another
# matter. Only calls of a stream lock in a stub: inline functions, each in a section of its own, and a server makes no
# such call.
client='ClientCallback(Reader|Writer|ReaderWriter)Impl<'
mapfile -t stubs < <(find /tree/build -name '*.grpc.pb.cc.o')
if [[ ${#stubs[@]} == 0 ]]; then
  fault "there is no stub of gRPC to look at" < /dev/null
else
  # SECTION and SYMBOL of each reference.
  "$TRIPLET-readelf" --relocs --wide "${stubs[@]}" | awk '
    /^Relocation section/ { section = $3; gsub(/^\047\.rela?(\.text\.)?|\047$/, "", section); next }
    $3 ~ /^R_/ { print section "\t" $5 }
  ' | sort -u | c++filt > /tmp/stubs
  awk -F '\t' -v client="$client" '
    $2 ~ /^absl::.*(Mutex|CondVar)/ && $2 !~ /::Mutex::~Mutex\(\)/ && $1 !~ client { print $2 " in " $1 }
  ' /tmp/stubs > /tmp/mixed
  if [[ -s /tmp/mixed ]]; then
    fault "stubs of gRPC call Abseil's Mutex, which the wheel and gRPC's archive have in two versions" < /tmp/mixed
  fi
fi

# --- a library comes from one place: half of it from an archive and half from the wheel would be two versions ------
paste <(c++filt --no-params < /tmp/wanted) /tmp/wanted > /tmp/imported
"$nm" --defined-only --format=posix "$server" | sed -n 's/^\([^ ]*\) [Tt] .*/\1/p' | c++filt --no-params > /tmp/own
for family in 're2::' '(grpc(_core)?::|grpc_|gpr_)' '(SSL|CRYPTO|EVP|X509|BN)_' 'ares_' 'curl_' '(event|evhttp|evbuffer)_'; do
  awk -F '\t' -v family="^$family" '$1 ~ family { print $2 }' /tmp/imported > /tmp/both
  if [[ -s /tmp/both ]] && grep --quiet --extended-regexp "^$family" /tmp/own; then
    fault "a part of this library is in the server, and these are in the wheel" < /tmp/both
  fi
done

echo "$(wc -l < /tmp/wanted) symbols of the wheel's libraries, all there; $(wc -l < /tmp/exported) exported"
exit $((faults > 0))
