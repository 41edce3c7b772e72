// SPDX-License-Identifier: Apache-2.0
//
// Reads Kubernetes objects as YAML from standard input, and fails if one does not fit its schema or has
// a field that Kubernetes does not know.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import models from "@kubernetes/client-node/dist/gen/model/models.js";

const { ObjectSerializer } = models;
import yaml from "js-yaml";

const problems = [];

async function modelOf({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  // Azure's managed Prometheus has the operator's kinds in a group of its own.
  if (group.endsWith("coreos.com"))
    return (await import(`@kubernetes-models/prometheus-operator/monitoring.coreos.com/${version}/${kind}`))[kind];
  return (await import(`kubernetes-models/${group ? `${group}/` : ""}${version}/${kind}`))[kind];
}

// Where `object` has something that `known` has not.
function unknownFields(object, known, path = "") {
  if (isDeepStrictEqual(object, known)) return [];
  if (typeof object !== "object" || object === null || typeof known !== "object" || known === null) return [path];
  return Object.entries(object).flatMap(([key, value]) => unknownFields(value, known[key], `${path}/${key}`));
}

const objects = yaml.loadAll(readFileSync(0, "utf8")).filter(Boolean);
for (const object of objects) {
  const name = `${object.kind} ${object.metadata?.name}`;
  try {
    const Model = await modelOf(object);
    const own = object.apiVersion.startsWith("azmonitoring.") ? { ...object, apiVersion: "monitoring.coreos.com/v1" } : object;
    new Model(own).validate();
  } catch (error) {
    problems.push(`${name}: ${error.message}`);
  }
  if (object.apiVersion.includes("coreos.com")) continue;
  const type = `V1${object.kind}`;
  const known = ObjectSerializer.serialize(ObjectSerializer.deserialize(object, type), type);
  problems.push(...unknownFields(object, JSON.parse(JSON.stringify(known))).map((path) => `${name}: unknown field ${path}`));
}
for (const problem of problems) console.error(problem);
if (!objects.length) console.error("there is nothing to check");
process.exit(problems.length || !objects.length ? 1 : 0);
