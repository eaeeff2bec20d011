export { apiReference } from "./api-reference.ts";
export { causesReference } from "./causes-reference.ts";
export { conditionsReference } from "./conditions-reference.ts";
export { customResourceDefinitions, type CustomResourceDefinition } from "./custom-resource-definitions.ts";
export { reasonsReference } from "./reasons-reference.ts";
export { table } from "./markdown.ts";
