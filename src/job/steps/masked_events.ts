import type { Masker } from "../../secrets/masker.ts";
import type { StepEvent } from "../step_event.ts";

/**
 * Masks what those are told who watch a job: names and reasons may hold secrets.
 *
 * @param masker Knows the secrets.
 * @param onEvent Who watches.
 * @returns Takes events, and passes them on masked.
 */
export function maskedEvents(
  masker: Masker,
  onEvent: (event: StepEvent) => void,
): (event: StepEvent) => void {
  const mask = (text: string) => masker.maskText(text);
  return (event) => {
    switch (event.type) {
      case "planned":
        return onEvent({
          ...event,
          steps: event.steps.map(({ name, dependsOn }) => ({
            name: mask(name),
            dependsOn: dependsOn.map(mask),
          })),
        });
      case "ended": {
        const { name, reason } = event.result;
        return onEvent({
          ...event,
          result: {
            ...event.result,
            name: mask(name),
            ...reason === undefined ? {} : { reason: mask(reason) },
          },
        });
      }
      case "retrying":
        return onEvent({
          ...event,
          step: mask(event.step),
          reason: mask(event.reason),
        });
      default:
        return onEvent({ ...event, step: mask(event.step) });
    }
  };
}
