package plan

// The types below are slipway.yaml. Their comments are what an editor shows and
// what docs/configuration.md says: the JSON schema (schema.json) is generated
// from them, and the file is checked against that schema, so that editors and
// the command line agree. A pattern comes with an example: errors show the
// example. Every whole number has bounds that fit into an int.

// File is a whole slipway.yaml.
type File struct {
	Image
	// Several images from one source. What stands beside this list is the default of each.
	Images []Image `json:"images,omitempty" jsonschema:"minItems=1"`
}

// Image says how to build, prove and publish one image.
type Image struct {
	// The image's name: the folder of its OCI layout, its title, and the last part of its repository where there are several images. By default the name of its first binary.
	Name string `json:"name,omitempty" jsonschema:"pattern=^[a-z0-9]+([._-]+[a-z0-9]+)*$,example=hello"`
	// Main packages, relative to the source, like ./cmd/hello. Several become several binaries in one image, and the first is the entrypoint. By default the only main package of the module.
	Packages []string `json:"packages,omitempty" jsonschema:"minItems=1"`
	// Platforms to build for: OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, or "all". By default linux/amd64 and linux/arm64.
	Platforms []string `json:"platforms,omitempty" jsonschema:"minItems=1"`
	// The exact Go release to compile with, like 1.26.8. By default the toolchain line of go.mod or go.work; where there is none, the engine's own release.
	Go Text `json:"go,omitempty" jsonschema:"pattern=^(go)?1[.][0-9]+([.]|beta|rc)[0-9]+$,example=1.26.8"`
	// How to compile.
	Build Build `json:"build,omitzero"`
	// What stands in the image beside the binary, and its config.
	Image Contents `json:"image,omitzero"`
	// What the finished image must satisfy.
	Audit Audit `json:"audit,omitzero"`
	// Cases that prove that the image works. By default one that proves that the program starts.
	Smoke []Case `json:"smoke,omitempty"`
	// Where the image goes.
	Publish Publish `json:"publish,omitzero"`
}

// Build says how to compile.
type Build struct {
	// Build tags, like osusergo and netgo.
	Tags []string `json:"tags,omitempty"`
	// Linker flags, added to -s -w. {{.Version}}, {{.Commit}} and {{.Date}} are filled in.
	Ldflags []string `json:"ldflags,omitempty"`
	// Variables for the go command, like GOEXPERIMENT or GOFIPS140. Those that slipway itself sets are refused.
	Env map[string]Text `json:"env,omitempty"`
}

// Contents says what stands in an image beside the binary, and its config.
type Contents struct {
	// The image to build on, by digest, like gcr.io/distroless/static@sha256:…. By default scratch.
	Base string `json:"base,omitempty" jsonschema:"pattern=@sha256:[0-9a-f]{64}$,example=gcr.io/distroless/static@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`
	// Who runs the program: nobody (65534, the default), nonroot (65532), root, UID, UID:GID or NAME:UID:GID. The config gets the numbers; passwd and group get the name.
	User Text `json:"user,omitempty" jsonschema:"pattern=^(nobody|nonroot|root|([a-z_][a-z0-9_-]*:)?[0-9]+(:[0-9]+)?)$,example=nonroot,example=1001,example=app:1001:1001"`
	// Arguments that always follow the binary in the entrypoint.
	Args []Text `json:"args,omitempty"`
	// Arguments that stand after the entrypoint unless others are given (the config's Cmd).
	Cmd []Text `json:"cmd,omitempty"`
	// Environment variables.
	Env map[string]Text `json:"env,omitempty"`
	// Working directory.
	Workdir string `json:"workdir,omitempty" jsonschema:"pattern=^/,example=/srv"`
	// Ports the program listens on, like 8080 or 53/udp.
	Ports []Text `json:"ports,omitempty" jsonschema:"pattern=^[0-9]+(/(tcp|udp))?$,example=8080,example=53/udp"`
	// Folders for data, which stay writable when the root file system is read-only.
	Volumes []string `json:"volumes,omitempty" jsonschema:"pattern=^/,example=/data"`
	// The signal that asks the program to end. By default SIGTERM.
	StopSignal string `json:"stopSignal,omitempty" jsonschema:"pattern=^SIG[A-Z0-9+-]+$,example=SIGINT"`
	// Labels of the image's config, beside the ones that are filled in. {{.Version}}, {{.Commit}} and {{.Date}} are filled in.
	Labels map[string]Text `json:"labels,omitempty"`
	// Annotations of the index and of each manifest, beside the ones that are filled in. {{.Version}}, {{.Commit}} and {{.Date}} are filled in.
	Annotations map[string]Text `json:"annotations,omitempty"`
	// What changes without the source and is wanted in the labels and annotations all the same: each makes a new digest whenever it changes. The time stamped is that of created, or else the commit's.
	Stamp []string `json:"stamp,omitempty" jsonschema:"enum=revision,enum=version,enum=created"`
	// The time in the config and of every file: 0 (the default), commit, or seconds since 1970. SOURCE_DATE_EPOCH sets it too.
	Created Text `json:"created,omitempty" jsonschema:"pattern=^(commit|[0-9]+)$,example=commit,example=1750000000"`
	// CA certificates.
	Certificates Certificates `json:"certificates,omitzero"`
	// The time zone database. By default true.
	Zones *bool `json:"zones,omitempty"`
	// A /tmp that everybody may write to.
	Tmp bool `json:"tmp,omitempty"`
	// Files and folders of the source, like templates and static files.
	Assets []Asset `json:"assets,omitempty"`
}

// Certificates says which certificate authorities an image trusts.
type Certificates struct {
	// "mozilla" (the default), "none", or a PEM file of the source to take instead.
	Bundle string `json:"bundle,omitempty"`
	// PEM files of the source to add.
	Add []string `json:"add,omitempty"`
}

// Asset is a file or folder of the source that goes into the image.
type Asset struct {
	// The file or folder, relative to the source. Anything named .git or .slipway is left out.
	From string `json:"from" jsonschema:"required,minLength=1"`
	// Where it stands in the image.
	To string `json:"to" jsonschema:"required,pattern=^/,example=/templates"`
	// Mode of its files, in octal. By default 0644, or 0755 where the owner may execute it. Folders are 0755.
	Mode Text `json:"mode,omitempty" jsonschema:"pattern=^0?[0-7]{3}$,example=0644"`
	// Owner, UID or UID:GID. By default 0:0.
	Owner Text `json:"owner,omitempty" jsonschema:"pattern=^[0-9]+(:[0-9]+)?$,example=1001:1001"`
}

// Audit says what the finished image must satisfy.
type Audit struct {
	// The most that one platform's image may weigh, compressed, like 10MB or 8MiB.
	MaxSize Text `json:"maxSize,omitempty" jsonschema:"pattern=^[0-9]+([.][0-9]+)? ?[kKMGT]?i?B?$,example=10MB,example=8MiB"`
	// Findings that are meant: root, shell, setuid, credentials, writable.
	Allow []string `json:"allow,omitempty" jsonschema:"enum=root,enum=shell,enum=setuid,enum=credentials,enum=writable"`
}

// Case is one smoke test: run the image and look at what it says and how it
// ends, or serve it and look at what it answers.
type Case struct {
	// What it proves, in a few words.
	Name string `json:"name,omitempty"`
	// Arguments after the entrypoint, in place of the image's cmd.
	Args []Text `json:"args,omitempty"`
	// Environment variables beside the image's own.
	Env map[string]Text `json:"env,omitempty"`
	// What the program reads from standard input.
	Stdin string `json:"stdin,omitempty"`
	// "none" (the default) is a loopback device of its own; "host" lets the program reach what this machine reaches.
	Network string `json:"network,omitempty" jsonschema:"enum=none,enum=host"`
	// How long it may take, like 30s. By default 30s.
	Timeout Text `json:"timeout,omitempty" jsonschema:"pattern=^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$,example=30s"`
	// The exit code to expect. By default 0.
	ExitCode *int `json:"exitCode,omitempty" jsonschema:"minimum=0,maximum=255"`
	// What standard output must be.
	Stdout *Match `json:"stdout,omitempty"`
	// What standard error must be.
	Stderr *Match `json:"stderr,omitempty"`
	// Serve instead of running to the end.
	Serve *Serve `json:"serve,omitempty"`
}

// Match says what a text must be. Everything given must hold.
type Match struct {
	// The whole text, but for white space at its ends.
	Equals *string `json:"equals,omitempty"`
	// A part of it.
	Contains string `json:"contains,omitempty"`
	// A regular expression (Go's syntax) that matches somewhere in it.
	Matches string `json:"matches,omitempty" jsonschema:"format=go-regexp"`
}

// Serve says how to prove a server.
type Serve struct {
	// The port to wait for.
	Port int `json:"port" jsonschema:"required,minimum=1,maximum=65535"`
	// HTTP requests to send, in this order. Without any, the open port is the proof.
	Requests []Request `json:"requests,omitempty"`
	// How long the program may take to end after its stop signal, like 10s. By default 10s.
	StopWithin Text `json:"stopWithin,omitempty" jsonschema:"pattern=^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$,example=10s"`
}

// Request is an HTTP request and what its answer must be.
type Request struct {
	// By default GET.
	Method string `json:"method,omitempty" jsonschema:"pattern=^[A-Z]+$,example=POST"`
	// Path and query.
	Path string `json:"path" jsonschema:"required,pattern=^/,example=/healthz"`
	// Headers to send.
	Headers map[string]Text `json:"headers,omitempty"`
	// Body to send.
	Body string `json:"body,omitempty"`
	// What the answer must be. By default a status of 200.
	Expect Response `json:"expect,omitzero"`
}

// Response says what an HTTP answer must be.
type Response struct {
	// By default 200.
	Status int `json:"status,omitempty" jsonschema:"minimum=100,maximum=599"`
	// Headers that must be there, by name.
	Headers map[string]Match `json:"headers,omitempty"`
	// The body.
	Body *Match `json:"body,omitempty"`
}

// Publish says where an image goes.
type Publish struct {
	// The repository, like ghcr.io/acme/hello. Where there are several images, /NAME is added unless each has its own.
	To string `json:"to,omitempty"`
	// Tags to move once the image is there by digest.
	Tags []string `json:"tags,omitempty"`
	// Speak plain HTTP to the registry. A loopback address does so by itself.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// A PEM file of certificate authorities for the registry, beside the system's.
	CA string `json:"ca,omitempty"`
	// Repositories of the same registry whose blobs may be mounted instead of sent.
	MountFrom []string `json:"mountFrom,omitempty"`
}
