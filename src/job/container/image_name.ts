/** Longest reference that is looked at, in characters. */
const MAX_LENGTH = 1_024;

/** `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, the only form that engines know. */
const REFERENCE =
  /^[a-z0-9][\w.-]*(?::\d{1,5}(?=\/))?(?:\/[a-z0-9][\w.-]*)*(?::\w[\w.-]{0,127})?(?:@[a-z][\w.+-]*:[0-9a-f]{32,128})?$/i;

/**
 * Judges the name of an image before an engine gets it as an argument.
 *
 * Whatever begins with a dash would be an option, and could mount the whole
 * machine.
 *
 * @param image The name.
 * @returns What is wrong with it, if anything.
 */
export function imageProblem(image: string): string | undefined {
  return image.length <= MAX_LENGTH && REFERENCE.test(image)
    ? undefined
    : "it is not the name of an image";
}
