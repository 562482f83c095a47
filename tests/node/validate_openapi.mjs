// Validates an OpenAPI document: node validate_openapi.mjs FILE. Prints each problem, exits 1 if any.
import { createConfig, lint } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended"],
  // Paths end with a slash, as Django's do.
  rules: { "no-path-trailing-slash": "off" },
});
const problems = await lint({ ref: process.argv[2], config });
for (const { severity, ruleId, message, location } of problems) {
  console.log(`${severity} ${ruleId} ${location[0]?.pointer ?? ""}: ${message}`);
}
process.exitCode = problems.length ? 1 : 0;
