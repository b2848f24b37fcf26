#!/usr/bin/env bash
# Writes certificates.py anew. They begin in 2020, whatever the clock of the machine that makes them says.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
echo 01 >"$work/serial"
cat >"$work/ca.conf" <<END
[ca]
default_ca = own
[own]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = \${ENV::NAMES}
END
export NAMES

request() { # KEY
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"
  openssl req -new -key "$1" -subj "/CN=connector tests" -out "$work/request"
}
sign() { # FROM TO OPTIONS...
  openssl ca -batch -notext -config "$work/ca.conf" -in "$work/request" -out "$work/signed" \
    -startdate "$1" -enddate "$2" "${@:3}" 2>/dev/null
}
constant() { # NAME FILE... WHAT
  printf '\n%s = """\\\n' "$1"
  cat "${@:2:$#-2}"
  printf '"""\n"""%s"""\n' "${@: -1}"
}
server() { # NAME NAMES FROM TO WHAT
  request "$work/key"
  NAMES=$2 sign "$3" "$4" -extensions server -cert "$work/authority.pem" -keyfile "$work/authority"
  constant "$1" "$work/signed" "$work/key" "$5"
}

ours=DNS:vendor.example,IP:127.0.0.1
long=(20200101000000Z 21191231235959Z)
request "$work/authority"
NAMES=$ours sign "${long[@]}" -selfsign -extensions authority -keyfile "$work/authority"
cp "$work/signed" "$work/authority.pem"
{
  cat <<'END'
"""
Certificates for tests, good for a hundred years but for those that are not; and the keys of their servers.

All but `SELF_SIGNED` are signed by `AUTHORITY`, whose own key nobody has. Nothing outside the tests trusts any of them.
Made by certificates.sh.
"""

from __future__ import annotations

__all__ = ["AUTHORITY", "EARLY", "EXPIRED", "GOOD", "OTHER_HOST", "SELF_SIGNED"]
END
  constant AUTHORITY "$work/authority.pem" "Its certificate only."
  server GOOD "$ours" "${long[@]}" "For vendor.example and 127.0.0.1, as all others but one."
  server OTHER_HOST DNS:other.example "${long[@]}" "For other.example."
  server EXPIRED "$ours" 20200101000000Z 20210101000000Z "Until 2021."
  server EARLY "$ours" 21190101000000Z 21191231235959Z "From 2119 on."
  request "$work/key"
  NAMES=$ours sign "${long[@]}" -selfsign -extensions server -keyfile "$work/key"
  constant SELF_SIGNED "$work/signed" "$work/key" "Signed by itself."
} >"$work/certificates.py"
mv "$work/certificates.py" certificates.py
