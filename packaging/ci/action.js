// An action made of steps has none after the job; one of Node has, and this has the script do both. It names
// the inputs as a shell can: GitHub's names have hyphens.
const { spawnSync } = require('node:child_process');

const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name.replaceAll('-', '_'), value]));
const { status, error } = spawnSync('sh', [`${__dirname}/setup.sh`, 'action'], { env, stdio: 'inherit' });
if (error) throw error;
process.exitCode = status ?? 1;
