import { expect, test } from "vitest";
import { decidingValues, mutants, survivors } from "./mutants.ts";

test("every value is changed, one at a time, and the rest stays", () => {
  const observation = { code: 201, answers: [{ pod: "a", milliseconds: 3 }], none: null };
  const seen = [...mutants(observation)];
  expect([...new Set(seen.map(({ path }) => path))]).toEqual([
    "code",
    "answers",
    "answers[]",
    "answers[].pod",
    "answers[].milliseconds",
    "none",
  ]);
  expect(seen).toContainEqual({
    path: "answers",
    was: observation.answers,
    observation: { code: 201, answers: [], none: null },
  });
  for (const { path, observation: mutant } of seen.filter(({ path: where }) => where !== "code"))
    expect(mutant, path).toMatchObject({ code: 201 });
  expect(observation).toEqual({ code: 201, answers: [{ pod: "a", milliseconds: 3 }], none: null });
});

test("what a judge does not look at survives, and nothing else", () => {
  const observation = { code: 201, answers: [{ pod: "a", milliseconds: 3 }], message: "told" };
  const judge = ({ code, answers, message }: typeof observation) => {
    expect(code, message).toBe(201);
    for (const { pod } of answers) expect(pod).toBe("a");
  };
  expect(survivors(observation, judge)).toEqual(["answers[].milliseconds", "message"]);
  // An explanation is part of what is judged, once there is one.
  expect(survivors({ ...observation, code: 422 }, judge)).toEqual([
    "answers",
    "answers[]",
    "answers[].milliseconds",
    "answers[].pod",
  ]);
});

test("of a long list the ends are changed", () => {
  const seen = [...mutants(Array.from({ length: 1000 }, (_, index) => index))];
  expect(seen.length).toBeLessThan(50);
});

test("a value takes another's place, so that a judge which compares two is seen to", () => {
  const observation = { before: { ip: "10.244.1.2" }, after: { ip: "10.244.1.3" } };
  expect(survivors(observation, ({ before, after }) => expect(after.ip).not.toBe(before.ip))).toEqual([]);
});

test("what decides is what the verdict changes with, not what is only told or not looked at", () => {
  const observation = { code: 201, answers: [{ pod: "a", node: "b" }], message: "told" };
  const judge = ({ code, answers, message }: typeof observation) => {
    expect(code, message).toBe(201);
    for (const { pod } of answers) expect(pod).toBe("a");
  };
  expect(decidingValues(observation, judge)).toEqual([
    { place: "code", value: "201" },
    { place: "answers[].pod", value: "a" },
  ]);
  // One value alone does not make it hold here: there is what the judge took out of it.
  expect(decidingValues({ ...observation, code: 422 }, judge)).toEqual([{ value: "422" }]);
  const routes = { file: '{ "routes": [\n{ "to": "192.0.2.0/24" } ] }' };
  const routesOf = ({ file }: typeof routes) => (JSON.parse(file) as { routes: unknown }).routes;
  expect(decidingValues(routes, (seen) => expect(routesOf(seen)).toEqual([]))).toEqual([{ value: "192.0.2.0/24" }]);
  expect(decidingValues({ page: "<html>\n</html>" }, ({ page }) => expect(page).toContain("html"))).toEqual([]);
});
