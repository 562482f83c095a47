// Validates an AsyncAPI document: node validate_asyncapi.mjs FILE. Prints each problem, exits 1 if any.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, code, path, message } of diagnostics) {
  console.log(`${severity} ${code} #/${path.join("/")}: ${message}`);
}
process.exitCode = diagnostics.length ? 1 : 0;
