// The same configuration said twice: as the options of Node's socket.io, and as our flags.

const setup = (options, flags) => ({ options: { serveClient: true, ...options }, flags: { ...flags } });
const cors = (options, flags) => setup({ cors: options }, flags);

export const setups = {
  plain: setup({}, {}),
  revision3: setup({ allowEIO3: true }, { allowEio3: true }),
  quick: setup(
    { allowEIO3: true, pingInterval: 300, pingTimeout: 200, connectTimeout: 700, upgradeTimeout: 400 },
    { allowEio3: true, pingInterval: "300ms", pingTimeout: "200ms", connectTimeout: "700ms", upgradeTimeout: "400ms" },
  ),
  small: setup({ allowEIO3: true, maxHttpBufferSize: 1024 }, { allowEio3: true, maxPayload: 1024 }),
  pollingOnly: setup({ transports: ["polling"] }, { transports: "polling" }),
  webSocketOnly: setup({ transports: ["websocket"] }, { transports: "websocket" }),
  noUpgrades: setup({ allowUpgrades: false }, { allowUpgrades: false }),
  noSlash: setup({ addTrailingSlash: false }, { noAddTrailingSlash: true }),
  cookie: setup({ cookie: true, allowEIO3: true }, { cookie: "io", allowEio3: true }),
  deflate: setup({ perMessageDeflate: true }, { perMessageDeflate: true }),
  deflateSmall: setup({ perMessageDeflate: true, maxHttpBufferSize: 1024 }, { perMessageDeflate: true, maxPayload: 1024 }),
  recovery: setup({ connectionStateRecovery: {} }, { recoveryMaxAge: "2m" }),
  corsAny: cors({ origin: "*" }, { corsOrigins: "*" }),
  corsFixed: cors({ origin: "https://a.example" }, { corsOrigins: "https://a.example" }),
  corsList: cors({ origin: ["https://a.example", "https://b.example"] }, { corsOrigins: "https://a.example,https://b.example" }),
  corsReflect: cors({ origin: true, credentials: true }, { corsOrigins: "reflect", corsCredentials: true }),
  corsAll: cors(
    {
      origin: ["https://a.example", "https://b.example"], credentials: true, methods: ["GET", "POST"], allowedHeaders: ["x-one", "x-two"],
      exposedHeaders: ["x-three"], maxAge: 600,
    },
    {
      corsOrigins: "https://a.example,https://b.example", corsCredentials: true, corsMethods: "GET,POST", corsAllowedHeaders: "x-one,x-two",
      corsExposedHeaders: "x-three", corsMaxAge: "10m",
    },
  ),
};
