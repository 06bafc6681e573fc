package registry

// Places are the files that the keychain looks into, in their order.
func Places() []string {
	var paths []string
	for _, p := range places() {
		paths = append(paths, p.path)
	}
	return paths
}
