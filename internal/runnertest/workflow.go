package runnertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// image is the only runner that there is.
const image = "ubuntu-24.04"

// workflow is a workflow that is about to run.
type workflow struct {
	top *yaml.Node
	// ids are the steps with an id, by job.
	ids map[string][]string
}

// parseWorkflow reads a workflow and refuses what would not run here, which act
// would leave out without a word.
func parseWorkflow(content string) (*workflow, error) {
	top, err := parseYAML("workflow", []byte(content))
	if err != nil {
		return nil, err
	}
	w := &workflow{top: top, ids: map[string][]string{}}
	seen := map[string]bool{}
	for _, id := range w.jobs() {
		j := get(get(top, "jobs"), id)
		if on := text(j, "runs-on"); on != image {
			return nil, fmt.Errorf("workflow: job %s runs on %q, and here is only %s", id, on, image)
		}
		for _, key := range []string{"uses", "strategy", "container", "services"} {
			if get(j, key) != nil {
				return nil, fmt.Errorf("workflow: job %s has %s, which is not played here", id, key)
			}
		}
		for _, s := range w.steps(id) {
			step := text(s, "id")
			if step == "" {
				continue
			}
			if seen[step] {
				return nil, fmt.Errorf("workflow: two steps have the id %s", step)
			}
			seen[step] = true
			w.ids[id] = append(w.ids[id], step)
		}
	}
	if len(w.jobs()) == 0 {
		return nil, fmt.Errorf("workflow: no jobs")
	}
	return w, nil
}

func (w *workflow) jobs() []string { return keys(get(w.top, "jobs")) }

func (w *workflow) steps(job string) []*yaml.Node {
	if list := get(get(get(w.top, "jobs"), job), "steps"); list != nil {
		return list.Content
	}
	return nil
}

// write writes the workflow for act, with one more step in each job that tells
// what became of the others.
func (w *workflow) write(file, results string) error {
	for _, id := range w.jobs() {
		if list := get(get(get(w.top, "jobs"), id), "steps"); list != nil {
			list.Content = append(list.Content, scriptStep("Tell the outputs", writeJSON(quote(filepath.Join(results, id+".json")), "steps")))
		}
	}
	return writeYAML(file, w.top)
}

// readResults reads what those steps told.
func (w *workflow) readResults(dir string, r *Result) error {
	for job, ids := range w.ids {
		content, err := os.ReadFile(filepath.Join(dir, job+".json"))
		if os.IsNotExist(err) {
			continue // the job was left out
		} else if err != nil {
			return err
		}
		var steps map[string]struct {
			Outputs map[string]string
			Outcome string
		}
		if err := json.Unmarshal(content, &steps); err != nil {
			return fmt.Errorf("the steps of job %s: %w\n%s", job, err, content)
		}
		for _, id := range ids {
			r.Outputs[id] = steps[id].Outputs
			r.Outcomes[id] = steps[id].Outcome
		}
	}
	return nil
}
