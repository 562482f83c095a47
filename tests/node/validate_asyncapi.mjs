// Validates an AsyncAPI document: node validate_asyncapi.mjs FILE. Prints each problem, exits 1 if any.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
// That there is a newer version of the specification is no fault: fewer tools read it.
const problems = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
for (const { severity, code, path, message } of problems) {
  console.log(`${severity} ${code} #/${path.join("/")}: ${message}`);
}
process.exitCode = problems.length ? 1 : 0;
