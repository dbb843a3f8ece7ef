/** What is wrong with a key policy before it is sent; the service has the last word. */

/** Bytes of a policy (AWS KMS Developer Guide, resource quotas). */
export const POLICY_BYTES_MAX = 32 * 1024;

const EFFECTS = ["Allow", "Deny"];

export function policyProblems(text: string): string[] {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch (error) {
    return [`It is no JSON: ${error instanceof Error ? error.message : String(error)}`];
  }
  if (!isObject(policy)) return ["A policy is a JSON object."];
  const problems: string[] = [];
  if (new TextEncoder().encode(text).length > POLICY_BYTES_MAX) problems.push("It has more than 32 KiB.");
  const version = policy["Version"];
  if (version !== undefined && version !== "2012-10-17" && version !== "2008-10-17") {
    problems.push("Version is 2012-10-17 or 2008-10-17.");
  }
  const statements = policy["Statement"];
  const listed: unknown[] = Array.isArray(statements) ? statements : isObject(statements) ? [statements] : [];
  if (listed.length === 0) return [...problems, "Statement is missing or empty."];
  listed.forEach((statement, at) => problems.push(...statementProblems(statement).map((why) => `Statement ${at + 1}: ${why}`)));
  return problems;
}

function statementProblems(statement: unknown): string[] {
  if (!isObject(statement)) return ["it is no object."];
  const problems: string[] = [];
  if (!EFFECTS.includes(String(statement["Effect"]))) problems.push("Effect is Allow or Deny.");
  for (const [one, other] of [["Principal", "NotPrincipal"], ["Action", "NotAction"], ["Resource", "NotResource"]] as const) {
    const given = [one, other].filter((name) => name in statement);
    if (given.length === 0) problems.push(`${one} is missing.`);
    if (given.length === 2) problems.push(`${one} and ${other} exclude each other.`);
  }
  return problems;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON with indents, or the text as it is. */
export function tidy(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
