package engine

import (
	"debug/elf"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-dev/slipway/pipelines/platform"
)

// NotStaticError says that a binary would not run in an image that holds
// nothing else.
type NotStaticError struct {
	Path     string
	Platform string
	Reason   string
}

func (e *NotStaticError) Error() string {
	return fmt.Sprintf("%s: the binary %s", e.Platform, e.Reason)
}

// machine is what the ELF header of each of Go's Linux ports says.
type machine struct {
	id    elf.Machine
	class elf.Class
	data  elf.Data
}

var machines = map[string]machine{
	"386":      {elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"amd64":    {elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"arm":      {elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"arm64":    {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"loong64":  {elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"mips":     {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB},
	"mipsle":   {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"mips64":   {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"mips64le": {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"ppc64":    {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"ppc64le":  {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"riscv64":  {elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"s390x":    {elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
}

// CheckStatic proves that a file is an executable for a platform that needs
// nothing beside it: ELF, the right machine, no interpreter, no dynamic
// section. Otherwise it returns a *NotStaticError.
func CheckStatic(file string, p v1.Platform) error {
	fail := func(format string, args ...any) error {
		return &NotStaticError{Path: file, Platform: platform.String(p), Reason: fmt.Sprintf(format, args...)}
	}
	f, err := elf.Open(file)
	if err != nil {
		return fail("is no ELF executable: %v", err)
	}
	defer func() { _ = f.Close() }()
	want, ok := machines[p.Architecture]
	if !ok {
		return fail("has an architecture that is not known here")
	}
	if f.Machine != want.id || f.Class != want.class || f.Data != want.data {
		return fail("is for another machine: %v %v %v", f.Machine, f.Class, f.Data)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fail("is no executable: %v", f.Type)
	}
	for _, prog := range f.Progs {
		switch prog.Type {
		case elf.PT_INTERP:
			return fail("needs a dynamic loader, which the image does not have")
		case elf.PT_DYNAMIC:
			return fail("needs shared libraries, which the image does not have")
		}
	}
	if f.SectionByType(elf.SHT_DYNAMIC) != nil {
		return fail("has a dynamic section")
	}
	return nil
}
