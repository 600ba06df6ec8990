# Completes the table of list-packages.sh: the sha256 of each package's .deb, as the archive's signed index has it.
# Empty where the index has another version by now.
#   awk -f package-hashes.awk AVAILABLE TABLE    AVAILABLE is what "apt-cache show NAME:ARCH ..." prints
BEGIN { FS = OFS = "\t" }
FNR == NR {
  if (match($0, /^(Package|Version|Architecture|SHA256): /)) {
    field[substr($0, 1, RLENGTH - 2)] = substr($0, RLENGTH + 1)
  } else if ($0 == "") {
    keep()
  }
  next
}
FNR == 1 { keep() }
{
  $6 = hash[$1, $2, $3]
  print
}
function keep() {
  # Of what is installed it has dpkg's record, too, which knows no hash.
  if ("SHA256" in field) hash[field["Package"], field["Version"], field["Architecture"]] = field["SHA256"]
  delete field
}
