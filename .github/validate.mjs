// Checks action.yml and the workflows against GitHub's own schemas, with the parser of its editor extension:
//
//   npm install --prefix DIR @actions/workflow-parser@0.3.61
//   node .github/validate.mjs DIR action.yml .github/workflows/*.yml
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

// The package imports its schemas as bundlers do, without saying that they are JSON.
const hook = `export const load = (url, context, next) => {
  const type = url.endsWith(".json") ? { type: "json" } : {};
  return next(url, { ...context, importAttributes: type });
};`;
register("data:text/javascript," + encodeURIComponent(hook));

const [folder, ...files] = process.argv.slice(2);
if (files.length === 0) throw new Error("no files to check");
const load = (name) => import(pathToFileURL(`${folder}/node_modules/@actions/workflow-parser/dist/${name}.js`));
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await load("index");
const { parseAction } = await load("actions/action-parser");

for (const name of files) {
  const file = { name, content: readFileSync(name, "utf8") };
  const isAction = /^action\.ya?ml$/.test(basename(name));
  const { context, value } = (isAction ? parseAction : parseWorkflow)(file, new NoOperationTraceWriter());
  if (value && !isAction) await convertWorkflowTemplate(context, value);
  for (const error of context.errors.getErrors()) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
