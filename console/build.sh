#!/usr/bin/env bash
# Builds the console into console/dist/site, from where `cargo build` takes it into the binary.
# Exit code 3: there is no Node.js that can; stderr says what to do.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v node >/dev/null || ! command -v npm >/dev/null ||
  ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "The console needs Node.js 20.19 or newer with npm. Install it from https://nodejs.org or your" >&2
  echo "packages. Without, Portcullis serves a page that says so under /console/." >&2
  exit 3
fi
# `npm ci` takes half a minute, and changes nothing while the lock file stays the same.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --no-audit --no-fund --silent
fi
site=dist/site/index.html
if [ -f "$site" ] && [ -z "$(find src public scripts index.html vite.config.ts package-lock.json -newer "$site" -print -quit)" ]; then
  exit 0
fi
npm run --silent build >&2
