import type { AwsV4Signer } from "aws4fetch";
import { sha256Hex } from "../fs/files.ts";
import {
  checkServerUrl,
  invalidStore,
  type StoreSetting,
} from "./cache_store.ts";
import {
  StoreClient,
  type StoreClientOptions,
  type StoreRequest,
} from "./http_store.ts";

/** Maximum size of a response, in bytes: 1,000 keys of 1 KiB, and more. */
const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;

/** Credentials of an S3 server. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request about a bucket or an object in it. */
export interface S3Request {
  readonly method: StoreRequest["method"];
  /**
   * Key of the object.
   *
   * @default {the bucket}
   */
  readonly key?: string;
  /** @default {{}} */
  readonly query?: Readonly<Record<string, string>>;
  /** @default {none} */
  readonly headers?: HeadersInit;
  /** @default {none} */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Statuses other than 2xx that are not failures. */
  readonly allowedStatuses?: readonly number[];
}

/**
 * Sends signed requests to one bucket. The hash of each body is signed, so that the
 * server stores exactly the bytes that were sent.
 */
export class S3Client {
  readonly #location: S3Location;
  readonly #credentials: S3Credentials;
  readonly #client: StoreClient;
  /** Signing keys by day. */
  readonly #keys = new Map<string, ArrayBuffer>();

  constructor(
    location: S3Location,
    credentials: S3Credentials,
    options: StoreClientOptions = {},
  ) {
    this.#location = location;
    this.#credentials = credentials;
    this.#client = new StoreClient(options);
  }

  /** Sends a request, see {@linkcode StoreClient.send}. */
  async send<T>(
    request: S3Request,
    read: (response: Response) => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return await this.#client.send(
      (stop) => {
        stop.progress(request.body?.length);
        // Each attempt is signed with its own time.
        return this.#sign(request, new Headers(request.headers));
      },
      read,
      signal,
    );
  }

  /** Downloads an object, see {@linkcode StoreClient.download}. */
  async download(
    key: string,
    { maxBytes, signal, onResponse }: {
      maxBytes: number;
      signal: AbortSignal;
      /** Called with the response if the object exists. */
      onResponse: (response: Response) => void;
    },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    return await this.#client.download(
      async (headers) => ({
        ...await this.#sign(
          { method: "GET", key, allowedStatuses: [404] },
          headers,
        ),
        onResponse,
      }),
      maxBytes,
      signal,
    );
  }

  async #sign(request: S3Request, headers: Headers): Promise<StoreRequest> {
    const { method, key, query = {}, body, allowedStatuses } = request;
    const { bucketUrl, region } = this.#location;
    const path = key === undefined ? "" : `/${encodeKey(key)}`;
    const url = new URL(bucketUrl + path);
    for (const [name, value] of Object.entries(query)) {
      url.searchParams.set(name, value);
    }
    headers.set("x-amz-content-sha256", await sha256Hex(body ?? ""));
    const signer = await this.#signer({ method, url, headers, region });
    const signed = await signer.sign();
    return {
      method,
      url: signed.url,
      headers: signed.headers,
      body,
      allowedStatuses,
      readFailure: async (response) =>
        parseErrorCode(await readResponseText(response)),
    };
  }

  async #signer(
    { method, url, headers, region }: {
      method: string;
      url: URL;
      headers: Headers;
      region: string;
    },
  ): Promise<AwsV4Signer> {
    const { AwsV4Signer } = await import("aws4fetch");
    return new AwsV4Signer({
      method,
      url: url.href,
      headers,
      ...this.#credentials,
      service: "s3",
      region,
      cache: this.#keys,
    });
  }
}

/** Encodes a key as the path of a URL. */
export function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

/** A prefix in a bucket of an S3 server. */
export interface S3Location {
  /** URL of the bucket, without a slash at its end. */
  readonly bucketUrl: string;
  /** Prefix of all keys; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly bucket: string;
  readonly region: string;
  /** Text that describes the location, without credentials. */
  readonly displayName: string;
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
      ? buildAmazonUrl(bucket, checkedRegion)
      : `${parseEndpoint(endpoint, allowInsecureTransport)}/${bucket}`,
    prefix: parts.map((part) => `${part}/`).join(""),
    bucket,
    region: checkedRegion,
    displayName: `s3://${[bucket, ...parts].join("/")}`,
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

function buildAmazonUrl(bucket: string, region: string): string {
  // The certificate of AWS does not cover names with more dots.
  return bucket.includes(".")
    ? `https://s3.${region}.amazonaws.com/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com`;
}

function parseEndpoint(
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

/** A page of the list of objects. */
export interface ObjectPage {
  readonly objects: readonly {
    readonly key: string;
    readonly bytes: number;
    readonly modifiedMs: number;
  }[];
  /** Continues the list; `undefined` after the last page. */
  readonly next: string | undefined;
}

/**
 * Reads the text of a response.
 *
 * @throws {Error} If it is too large.
 */
export async function readResponseText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for await (const bytes of response.body ?? []) {
    length += bytes.length;
    if (length > MAX_RESPONSE_BYTES) {
      throw new Error("its response is too large");
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

// Responses of S3 servers are small XML documents without relevant attributes.

/** Reads the error code of a failure, if it is valid; a server may send anything. */
export function parseErrorCode(xml: string): string | undefined {
  const error = findElements(xml, "Error")[0] ?? "";
  const code = findElements(error, "Code")[0] ?? "";
  return /^[A-Za-z]{1,60}$/.test(code) ? code : undefined;
}

/** Reads the ID of a multipart upload that was started. */
export function parseUploadId(xml: string): string {
  const id = decodeEntities(findElements(xml, "UploadId")[0] ?? "");
  if (id !== "" && id.length <= 4_096) return id;
  throw new Error("the server did not start a multipart upload");
}

/** Reads a page of the list of objects, whose keys are encoded as in URLs. */
export function parseObjectPage(xml: string): ObjectPage {
  const objects = findElements(xml, "Contents").map((object) => ({
    key: decodeKey(findElements(object, "Key")[0] ?? ""),
    bytes: Number(findElements(object, "Size")[0]),
    modifiedMs: Date.parse(findElements(object, "LastModified")[0] ?? ""),
  }));
  const isTruncated = findElements(xml, "IsTruncated")[0]?.trim() === "true";
  const next = findElements(xml, "NextContinuationToken")[0];
  if (isTruncated && !next) {
    throw new Error("the server returned an incomplete list of objects");
  }
  return { objects, next: isTruncated ? decodeEntities(next) : undefined };
}

/** Finds the contents of all elements with a name; they must not be nested. */
function findElements(xml: string, name: string): string[] {
  const texts: string[] = [];
  const [start, end] = [`<${name}`, `</${name}>`];
  for (let at = 0;;) {
    at = xml.indexOf(start, at);
    if (at === -1) return texts;
    at += start.length;
    if (!/[\s>]/.test(xml[at] ?? "")) continue;
    const from = xml.indexOf(">", at) + 1;
    const to = xml.indexOf(end, from);
    if (from === 0 || to === -1) return texts;
    texts.push(xml.slice(from, to));
    at = to + end.length;
  }
}

function decodeKey(text: string): string {
  try {
    return decodeURIComponent(decodeEntities(text).replaceAll("+", " "));
  } catch {
    return "";
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:([a-z]+)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g,
    (all, name, decimal, hex) => {
      if (name !== undefined) return ENTITIES[name] ?? all;
      const code = decimal === undefined ? parseInt(hex, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}
