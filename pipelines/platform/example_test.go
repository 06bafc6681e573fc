package platform_test

import (
	"fmt"
	"log"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// A platform is written as in an image's index, and compiled for by the
// variables of the go command.
func ExampleParse() {
	for _, s := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v6"} {
		p, err := platform.Parse(s)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(platform.String(p), platform.Env(p))
	}
	_, err := platform.Parse("linux/arm/6")
	fmt.Println(err)
	// Output:
	// linux/amd64 [GOOS=linux GOARCH=amd64 GOAMD64=v1]
	// linux/arm64 [GOOS=linux GOARCH=arm64 GOARM64=v8.0]
	// linux/arm/v6 [GOOS=linux GOARCH=arm GOARM=6]
	// platform "linux/arm/6": arm has no variant "6"; want one of v5, v6, v7
}
