import { expect, test } from "vitest";
import { matching } from "./admission.ts";

test("a change to the status of an object is meant, and to create its specimen", () => {
  const { matchConstraints, matchConditions } = matching({
    ...{ kind: "Service", name: "web", namespace: "cast", operations: ["UPDATE"], subresource: "status" },
  });
  const rule = { apiGroups: [""], apiVersions: ["*"] };
  expect(matchConstraints.resourceRules).toEqual([
    { ...rule, operations: ["CREATE"], resources: ["services"] },
    { ...rule, operations: ["UPDATE"], resources: ["services/status"] },
  ]);
  const meant = "request.operation in ['UPDATE'] && request.namespace == 'cast'";
  expect(matchConditions[0]?.expression).toContain(
    `object.metadata.name == 'web' && (has(object.metadata.annotations)`,
  );
  expect(matchConditions[0]?.expression).toContain(`|| ${meant})`);
});

test("a deletion with others is meant only where no object is named", () => {
  const { matchConstraints, matchConditions } = matching({
    ...{ kind: "IPAddress", name: "192.0.2.1", operations: ["DELETECOLLECTION"] },
  });
  expect(matchConstraints.resourceRules.map(({ operations }) => operations)).toEqual([["CREATE"], ["DELETE"]]);
  expect(matchConditions[0]?.expression).toContain(
    "request.operation == 'DELETE' ? oldObject.metadata.name == '192.0.2.1' && (!has(request.name) || request.name == '')",
  );
});
