import type { StageRecord } from "../report/run_event.ts";
import type { RunRecorder } from "../report/run_recorder.ts";
import type { SourceMeasure } from "../source/source.ts";
import { showUrl } from "../url_secrets.ts";

/** Properties of a prepared source. */
interface EndedSource {
  readonly type: string;
  readonly url?: string;
  readonly ref?: string;
  readonly commit?: string;
  readonly isKept?: boolean;
}

/** A source that is being prepared. */
export interface MeasuredSource {
  /** Receiver of measurements. */
  readonly measure: SourceMeasure;
  /** Records that the source is prepared. */
  end(role: "source" | "ci", source: EndedSource): void;
}

/**
 * Measures the preparation of a source for the record.
 *
 * @param recorder Recorder of the run.
 */
export function measureSource(recorder: RunRecorder): MeasuredSource {
  const startMs = recorder.ms;
  const stages: StageRecord[] = [];
  let total = 0;
  return {
    measure: {
      stage(name, start, durationMs) {
        stages.push({ name, startMs: recorder.msAt(start), durationMs });
      },
      bytes(count) {
        total += count;
      },
    },
    end(role, { type, url, ref, commit, isKept }) {
      recorder.add("source.prepared", {
        source: role,
        type,
        ...url ? { repository: showUrl(url) } : {},
        ...ref ? { ref } : {},
        ...commit ? { commit } : {},
        ...total > 0 ? { bytes: total } : {},
        ...stages.length > 0 ? { stages } : {},
        ...isKept ? { isKept } : {},
        startMs,
        durationMs: recorder.ms - startMs,
      });
    },
  };
}
