# shellcheck shell=bash
# Sets up the Go that is there already, in the way of actions/setup-go.

# The real one forbids other toolchains, for its own commands and for all steps
# that come.
export GOTOOLCHAIN=local
echo GOTOOLCHAIN=local >>"$GITHUB_ENV"

if [ -z "$VERSION" ] && [ -n "$VERSION_FILE" ] && ! [ -e "$VERSION_FILE" ]; then
  echo "::error::The specified go version file at: $VERSION_FILE does not exist"
  exit 1
fi
command -v go >/dev/null || { echo "::error::This machine has no Go."; exit 1; }
version=$(go env GOVERSION)
version=${version#go}
if [ -n "$VERSION" ] && [ "$VERSION" != "$version" ]; then
  echo "Go $VERSION was asked for, and this machine has Go $version: going on with that."
fi
bin=$(go env GOPATH)/bin
mkdir -p "$bin"
echo "$bin" >>"$GITHUB_PATH"
echo "go-version=$version" >>"$GITHUB_OUTPUT"
go version
