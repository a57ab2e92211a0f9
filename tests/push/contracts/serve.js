// serve.js PEERS FOLDER PEM - the hosts that FOLDER describes, one description (OpenAPI 3, HOST.yaml) each, on one port of
// loopback with the certificate and key in PEM. Prism answers and judges every request by its description; oauth2-mock-server
// gives the tokens; jose checks assertions and the tokens that come back. PEERS is where npm put them.
//
// Prints {"port": N} when it is up. Every line of standard input is an order, answered by one line:
//   scene NAME    examples of this name are the answers from now on, the first example where an answer has none of it
//   key BASE64    the public key (PEM) that assertions must be signed with
//   cut           the next write is judged, then its answer is lost
//   report        {"violations": [...], "unasked": [...], "tokens": N} of HOST [HOST...]
// It ends with its standard input.
//
// In a description, beside OpenAPI: operationId token = the sign-in, answered by oauth2-mock-server; x-assertion = what the
// assertion there must be signed with, be meant for and last at most.
'use strict';
const fs = require('fs'), http = require('http'), https = require('https'), path = require('path'), crypto = require('crypto');
const [peers, folder, pem] = process.argv.slice(2);
const here = require('module').createRequire(path.resolve(peers, 'node_modules', 'x.js'));
const from = (name) => require('module').createRequire(here.resolve(name + '/package.json'));
const prism = from('@stoplight/prism-cli');
const { createServer } = prism('@stoplight/prism-http-server');
const { getHttpOperationsFromSpec } = prism('@stoplight/prism-http');
const { createLogger } = prism('@stoplight/prism-core');
const { OAuth2Server } = here('oauth2-mock-server');
const jose = from('oauth2-mock-server')('jose');
const yaml = from('@stoplight/prism-http')('@stoplight/yaml');

const hosts = {}, violations = {}, asked = new Set();
const oauth = new OAuth2Server();
let scene = '', client = null, cut = false, tokens = 0, jwks;

function wrong(host, what) {
	(violations[host] = violations[host] || []).push(what);
}

// What the description holds for this request: the operation, its names of query parameters, its path as described.
function operationOf(host, method, pathname) {
	for (const [template, item] of Object.entries(hosts[host].doc.paths)) {
		const shape = new RegExp('^' + template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]*\}/g, '[^/]+') + '$');
		const op = item[method.toLowerCase()];
		if (op && shape.test(pathname))
			return { op, name: method + ' ' + template, query: [...(item.parameters || []), ...(op.parameters || [])].filter((p) => p.in === 'query').map((p) => p.name) };
	}
	return null;
}

function examplesOf(op) {
	return Object.values(op.responses || {}).flatMap((r) => Object.values(r.content || {})).flatMap((c) => Object.keys(c.examples || {}));
}

function ask(url, method, headers, body) {
	return new Promise((resolve, reject) => {
		const r = http.request(url, { method, headers, agent: false }, (answer) => {
			const parts = [];
			answer.on('data', (d) => parts.push(d));
			answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
		});
		r.on('error', reject);
		r.end(body);
	});
}

// The assertion, by a library that is not ours; why not, or nothing.
async function assertionFault(rules, form) {
	const grant = form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer';
	const text = form.get(grant ? 'assertion' : 'client_assertion');
	if (!text)
		return form.get('client_secret') ? '' : 'neither secret nor assertion';
	try {
		const { payload } = await jose.jwtVerify(text, client, { algorithms: rules.algorithms, audience: rules.audience, requiredClaims: ['iss', 'exp', 'iat'].concat(rules.claims || []) });
		if (payload.exp - payload.iat > rules.seconds)
			return `it lasts ${payload.exp - payload.iat} s`;
		return !grant && payload.iss !== form.get('client_id') ? 'iss is not the client' : '';
	} catch (e) {
		return e.message;
	}
}

async function token(host, op, body) {
	const form = new URLSearchParams(body.toString());
	const fault = op['x-assertion'] ? await assertionFault(op['x-assertion'], form) : form.get('client_secret') ? '' : 'no secret';
	if (fault) {
		wrong(host, 'sign-in: ' + fault);
		return { status: 400, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ error: 'invalid_client', error_description: fault }) };
	}
	// the mock does not know the grant of RFC 7523; its assertion is checked by now
	if (form.get('grant_type') !== 'client_credentials')
		form.set('grant_type', 'client_credentials');
	tokens++;
	return ask(oauth.issuer.url + '/token', 'POST', { 'content-type': 'application/x-www-form-urlencoded' }, form.toString());
}

async function serve(request, body) {
	const host = request.headers.host, url = new URL(request.url, 'https://' + host);
	if (!hosts[host] || request.socket.servername !== host) {
		wrong(host, `${request.method} ${request.url} at a host that is not described (${request.socket.servername})`);
		return { status: 421, headers: {}, body: '' };
	}
	const found = operationOf(host, request.method, url.pathname), headers = { ...request.headers, host: 'localhost' };
	delete headers['accept-encoding'];
	if (found) {
		asked.add(host + ' ' + found.name);
		for (const name of url.searchParams.keys())
			if (!found.query.includes(name))
				wrong(host, `${found.name}: nobody knows the parameter ${name}`);
		if (examplesOf(found.op).includes(scene))
			headers.prefer = 'example=' + scene;
		if ((found.op.security || hosts[host].doc.security || []).some((s) => 'oauth' in s))
			await jose.jwtVerify((headers.authorization || '').replace(/^Bearer /, ''), jwks).catch((e) => wrong(host, `${found.name}: no token of the sign-in: ${e.message}`));
	}
	const answer = await ask(hosts[host].at + request.url, request.method, headers, body);
	if (!found || answer.status >= 400 || answer.headers['sl-violations'])
		wrong(host, `${request.method} ${request.url}: ${answer.status} ${answer.headers['sl-violations'] || answer.body} of ${body}`);
	delete answer.headers['sl-violations'];
	return found && found.op.operationId === 'token' && answer.status < 300 ? token(host, found.op, body) : answer;
}

function on(request, reply) {
	const parts = [];
	request.on('data', (d) => parts.push(d));
	request.on('end', async () => {
		const body = Buffer.concat(parts);
		const answer = await serve(request, body).catch((e) => ({ status: 500, headers: {}, body: wrong(request.headers.host, e.stack) || '' }));
		if (cut && request.method !== 'GET' && answer.status < 300 && !String(answer.body).includes('access_token')) {
			cut = false;
			return request.socket.destroy();
		}
		const head = { connection: 'close', 'content-length': Buffer.byteLength(answer.body) };
		if (answer.headers['content-type'])
			head['content-type'] = answer.headers['content-type'];
		reply.writeHead(answer.status, head);
		reply.end(answer.body);
	});
}

const orders = {
	scene: (name) => ({ scene: (scene = name || '') }),
	key: (text) => ({ key: (client = crypto.createPublicKey(Buffer.from(text, 'base64').toString())) && 1 }),
	cut: () => ({ cut: (cut = true) }),
	report: (...names) => {
		const ret = { violations: [], unasked: [], tokens };
		for (const host of names) {
			ret.violations.push(...(violations[host] || []));
			delete violations[host];
			for (const [template, item] of Object.entries(hosts[host].doc.paths))
				for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
					if (item[method.toLowerCase()] && !asked.has(`${host} ${method} ${template}`))
						ret.unasked.push(`${host} ${method} ${template}`);
		}
		ret.violations.push(...(violations[undefined] || []));
		return ret;
	},
};

(async () => {
	const logger = createLogger('contracts', { level: 'silent' });
	for (const file of fs.readdirSync(folder).filter((f) => f.endsWith('.yaml'))) {
		const doc = yaml.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
		const operations = await getHttpOperationsFromSpec(doc);
		const server = createServer(operations, {
			components: { logger }, cors: false,
			config: { isProxy: false, validateRequest: true, validateResponse: true, checkSecurity: true, errors: true, upstreamProxy: undefined, mock: { dynamic: false } },
		});
		hosts[file.slice(0, -5)] = { doc, at: await server.listen(0, '127.0.0.1') };
	}
	await oauth.issuer.keys.generate('RS256');
	await oauth.start(0, '127.0.0.1');
	jwks = jose.createLocalJWKSet({ keys: oauth.issuer.keys.toJSON() });
	const both = fs.readFileSync(pem);
	const front = https.createServer({ cert: both, key: both }, on);
	front.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: front.address().port })));
	const lines = require('readline').createInterface({ input: process.stdin });
	lines.on('line', (line) => {
		const [order, ...words] = line.split(' ');
		console.log(JSON.stringify(orders[order](...words)));
	});
	lines.on('close', () => process.exit(0));
})().catch((e) => {
	console.error(e.stack);
	process.exit(1);
});
