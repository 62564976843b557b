import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { lastDate, scoreOf, type WorldsFile } from "../../helpers/claim/worlds.ts";
import type { Matrix } from "../matrix.ts";
import { type PastRun, totalOf } from "../runs.ts";
import type { Bilingual } from "../words.ts";
import { both } from "./look.ts";

/** What cards look like. */
export const cardStyle = `
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; margin: 1.2rem 0; } .cards > section { padding: .6rem 1rem; border: 1px solid var(--line); border-radius: 8px; } .cards h2 { margin: 0 0 .3rem; font-size: 1rem; } .cards p { margin: .2rem 0; } .cards .big { font-size: 1.6rem; font-weight: bold; line-height: 1.3; }
.cards > section:has(.plot) { grid-column: 1 / -1; } .plot .refuted { fill: var(--refuted); } .plot { display: block; width: 100%; height: 7rem; } .plot text { font-size: 8px; fill: var(--ink); text-anchor: middle; } .plot .here { stroke: var(--ink); stroke-width: 1; }
`;

function card(title: Bilingual, big: ComponentChild, ...lines: readonly ComponentChild[]): ComponentChild {
  return h("section", {}, [
    h("h2", {}, both(title)),
    h("p", { class: "big" }, big),
    ...lines.map((line) => h("p", { class: "small" }, line)),
  ]);
}

/** Returns one proof: each check was seen to give the opposite verdict when what its sentence speaks of was changed. */
export function canFail(results: Results, recorded: Results | undefined): ComponentChild {
  const tried = results.claims.some((claim) => claim.controls.length > 0) ? results : recorded;
  const title = { en: "Can the checks fail?", zh: "檢查會失敗嗎？" };
  if (tried === undefined)
    return card(title, "–", both({ en: "Not tried: npm run controls", zh: "尚未嘗試：npm run controls" }));
  const { proven, executed, live } = tried.controls;
  const when = tried === results ? undefined : tried;
  return card(
    title,
    `${proven} / ${executed}`,
    both({
      en: `checks gave the opposite verdict when what they look at was changed; for ${live} of them the cluster itself was changed`,
      zh: `項檢查在改變所觀察的事物後給出相反的判定，其中 ${live} 項改變的是叢集本身`,
    }),
    ...(when === undefined
      ? []
      : [
          both({
            en: `recorded on ${when.world.kubernetes}, ${when.started.slice(0, 10)}`,
            zh: `${when.started.slice(0, 10)} 在 ${when.world.kubernetes} 上錄下`,
          }),
        ]),
  );
}

/** Returns the other proof: verdicts stay where clusters differ in ways of which no sentence speaks. */
export function stays(recorded: WorldsFile | undefined): ComponentChild {
  const title = { en: "Do they stay when they have to?", zh: "不該改判時，會維持原判嗎？" };
  if (recorded === undefined)
    return card(title, "–", both({ en: "Not recorded: npm run worlds", zh: "尚未錄下：npm run worlds" }));
  const { groups } = recorded;
  const { worlds, right, wrong } = scoreOf(recorded);
  return card(
    title,
    `${wrong} / ${right + wrong}`,
    both({
      en: `wrong verdicts in ${worlds} clusters and machines that differ in ways the article does not mention`,
      zh: `項判定有誤（${worlds} 種叢集與機器，差異都與文章所述無關）`,
    }),
    both({ en: `recorded, last on ${lastDate(groups)}`, zh: `最後錄於 ${lastDate(groups)}` }),
  );
}

/** Returns milliseconds as seconds. */
export const seconds = (milliseconds: number): string =>
  `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;

/** The phases of a run; others have no other name. */
const phasesInZh: Readonly<Record<string, string>> = {
  ...{
    engine: "引擎",
    image: "映像",
    cluster: "叢集",
    world: "環境",
    worlds: "其他環境",
    "clean-up": "清理",
    claims: "主張",
    controls: "反向驗證",
    reports: "報告",
  },
};

/** Returns a phase's name in the pages' languages. */
export function phaseWords(name: string): Bilingual {
  return { en: name, zh: phasesInZh[name] ?? name };
}

/** Returns how long a run took, and what earlier ones in the folder found. */
export function howLong({ phases }: Results, runs: readonly PastRun[]): ComponentChild {
  return card(
    { en: "How long it took", zh: "執行時間" },
    seconds(totalOf(phases)),
    phases.map(({ name, milliseconds }, index) => [
      index === 0 ? "" : " · ",
      both(phaseWords(name)),
      ` ${seconds(milliseconds)}`,
    ]),
    ...(runs.length < 2
      ? []
      : [
          [
            both({
              en: `Sentences that mislead in the last ${runs.length} runs here:`,
              zh: `最近 ${runs.length} 次執行中有誤導之虞的句數：`,
            }),
            plot(
              runs.map(({ started, kubernetes, misleading }, index) => ({
                value: misleading,
                name: started.slice(5, 10),
                title: `${started} ${kubernetes}`,
                here: index === runs.length - 1,
              })),
            ),
          ],
        ]),
  );
}

function minorOf(version: string): string {
  return version.replace(/\.\d+$/, "");
}

/** Returns how many sentences mislead on each version of Kubernetes with kind's defaults. */
export function byVersion(matrix: Matrix, { claims }: Article, { world }: Results): ComponentChild[] {
  const repeats = new Map(claims.map(({ id, repeats }) => [id, repeats ?? id]));
  const cells = matrix.cells.filter(
    ({ id, kubernetes, proxyFailure }) => `v${id}` === kubernetes && proxyFailure === undefined,
  );
  if (cells.length < 2) return [];
  const counts = cells.map(({ id, kubernetes }) => {
    const wrong = matrix.claims.filter(({ verdicts }) => verdicts[id]?.verdict === "refuted");
    return {
      value: new Set(wrong.map((claim) => repeats.get(claim.id))).size,
      // A version of which there is another patch is told with its own.
      name: cells.some((cell) => cell.id !== id && minorOf(cell.id) === minorOf(id)) ? id : minorOf(id),
      title: kubernetes,
      here: kubernetes === world.kubernetes,
    };
  });
  const values = counts.map(({ value }) => value);
  return [
    card(
      { en: "Sentences that mislead, by version", zh: "各版本中有誤導之虞的句數" },
      `${Math.min(...values)} – ${Math.max(...values)}`,
      plot(counts),
    ),
  ];
}

/** Bars with their figures above and their names below. */
function plot(
  bars: readonly { readonly value: number; readonly name: string; readonly title: string; readonly here: boolean }[],
): ComponentChild {
  const highest = Math.max(1, ...bars.map(({ value }) => value));
  const width = 24;
  return h(
    "svg",
    {
      class: "plot",
      viewBox: `0 0 ${bars.length * width} 60`,
      role: "img",
      "aria-label": bars.map(({ title, value }) => `${title}: ${value}`).join(", "),
    },
    bars.map(({ value, name, here }, index) => {
      const height = (value / highest) * 36;
      const middle = index * width + width / 2;
      return [
        h("rect", {
          class: here ? "refuted here" : "refuted",
          ...{ x: index * width + 4, y: 48 - height, width: width - 8, height },
          "fill-opacity": here ? 1 : 0.55,
        }),
        h("text", { x: middle, y: 45 - height }, String(value)),
        h("text", { x: middle, y: 57 }, name),
      ];
    }),
  );
}
