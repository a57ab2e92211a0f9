// check.js PEERS FOLDER < OUT - the requests that `stager target try NAME --json` shows, judged by ajv: each must be an operation
// of its host's description in FOLDER, with no parameter that nobody knows, and with the body described. Prints what is wrong.
'use strict';
const fs = require('fs'), path = require('path');
const [peers, folder] = process.argv.slice(2);
const here = require('module').createRequire(path.resolve(peers, 'node_modules', 'x.js'));
const Ajv = here('ajv').default;
const yaml = require('module').createRequire(here.resolve('@stoplight/prism-http/package.json'))('@stoplight/yaml');
const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false, strictTypes: true, validateFormats: false });

const shown = JSON.parse(fs.readFileSync(0, 'utf8'));
const requests = shown.requests || [shown];
let faults = 0;

function judge(r) {
	const url = new URL(r.url), file = path.join(folder, url.hostname + '.yaml');
	if (!fs.existsSync(file))
		return ['this host is not described'];
	if (r.what === 'operation' && url.pathname === '/OPERATION')     // its path comes with the answer
		return [];
	const doc = yaml.parse(fs.readFileSync(file, 'utf8'));
	for (const [template, item] of Object.entries(doc.paths)) {
		const shape = new RegExp('^' + template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]*\}/g, '[^/]+') + '$');
		const op = item[r.method.toLowerCase()];
		if (!op || !shape.test(url.pathname))
			continue;
		const why = [], params = (op.parameters || []).filter((p) => p.in === 'query');
		for (const p of params.filter((q) => q.required && !url.searchParams.has(q.name)))
			why.push(`the parameter ${p.name} is missing`);
		for (const [name, value] of url.searchParams) {
			const p = params.find((q) => q.name === name);
			if (!p)
				why.push(`nobody knows the parameter ${name}`);
			else if (p.schema.type === 'string' && !ajv.validate(p.schema, value))
				why.push(`the parameter ${name} ${ajv.errorsText()}: ${value}`);
		}
		const content = op.requestBody && op.requestBody.content;
		const type = Object.keys(r.headers).filter((h) => h.toLowerCase() === 'content-type').map((h) => r.headers[h])[0];
		if (!content)
			return r.body ? why.concat('there is a body') : why;
		if (!r.body && !op.requestBody.required)
			return why;
		const described = content[type] || content[(type || '').split(';')[0]];
		if (!described)
			return why.concat(`Content-Type ${type} is not described`);
		const body = /form-urlencoded/.test(type) ? Object.fromEntries(new URLSearchParams(r.body)) : JSON.parse(r.body);
		return ajv.validate(described.schema, body) ? why : why.concat(`body${ajv.errorsText(ajv.errors, { dataVar: '' })}: ${r.body}`);
	}
	return ['the description has no such operation'];
}

for (const r of requests)
	for (const why of judge(r)) {
		console.log(`${r.what || 'request'} ${r.phase || ''}: ${r.method} ${r.url}: ${why}`);
		faults++;
	}
console.log(`${requests.length} requests, ${faults} faults`);
process.exit(faults ? 1 : 0);
