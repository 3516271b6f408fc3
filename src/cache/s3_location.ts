import {
  checkServerUrl,
  invalidStore,
  type StoreSetting,
} from "./store_url.ts";

/** A prefix in a bucket of an S3 server. */
export interface S3Location {
  /** URL of the bucket, without a slash at its end. */
  readonly bucketUrl: string;
  /** Prefix of all keys; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly bucket: string;
  readonly region: string;
  /** Text that describes the place. */
  readonly shown: string;
}

/** Region of a server that has none. */
const DEFAULT_REGION = "us-east-1";

/**
 * Reads a location such as `s3://bucket/prefix?endpoint=https://host&region=x`.
 *
 * Without an endpoint, it is in AWS. The region is that of the URL, or of
 * `AWS_REGION` or `AWS_DEFAULT_REGION`, or else `us-east-1`.
 *
 * @throws {RunnerError} `invalid-config` if it is not valid.
 */
export function parseS3Location(
  url: URL,
  { env, allowInsecureTransport }: StoreSetting,
): S3Location {
  const { AWS_REGION, AWS_DEFAULT_REGION } = env;
  const { endpoint, region = AWS_REGION || AWS_DEFAULT_REGION } = parseQuery(
    url,
  );
  const bucket = url.host;
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw invalidStore("its URL contains user info or a fragment");
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) {
    throw invalidStore("an s3: URL must have the name of a bucket as its host");
  }
  const parts = url.pathname.split("/").filter((part) => part !== "");
  if (!parts.every((part) => /^(?!\.{1,2}$)[A-Za-z0-9._=-]+$/.test(part))) {
    throw invalidStore(
      'a prefix in a bucket must have letters, digits, ".", "_", "=" and "-" between slashes',
    );
  }
  const checkedRegion = region || DEFAULT_REGION;
  if (!/^[A-Za-z0-9-]{1,64}$/.test(checkedRegion)) {
    throw invalidStore("its region must have letters, digits and hyphens");
  }
  return {
    bucketUrl: endpoint === undefined
      ? amazonUrl(bucket, checkedRegion)
      : `${endpointUrl(endpoint, allowInsecureTransport)}/${bucket}`,
    prefix: parts.map((part) => `${part}/`).join(""),
    bucket,
    region: checkedRegion,
    shown: `s3://${[bucket, ...parts].join("/")}`,
  };
}

function parseQuery(url: URL): { endpoint?: string; region?: string } {
  const values: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    const isKnown = name === "endpoint" || name === "region";
    if (isKnown && !Object.hasOwn(values, name)) values[name] = value;
    else {
      throw invalidStore(
        "the query of an s3: URL may only have one endpoint and one region",
      );
    }
  }
  return values;
}

function amazonUrl(bucket: string, region: string): string {
  // The certificate of AWS does not cover names with more dots.
  return bucket.includes(".")
    ? `https://s3.${region}.amazonaws.com/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com`;
}

function endpointUrl(
  endpoint: string,
  allowInsecureTransport: boolean,
): string {
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw invalidStore("its endpoint must be an https: URL");
  }
  checkServerUrl(url, {
    label: "its endpoint",
    hint: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    allowInsecureTransport,
  });
  return url.origin + url.pathname.replace(/\/+$/, "");
}
