// A client of the library that is installed, with its overrides for GJS.

import Qio from 'gi://Qio?version=1.0';

const [here, there] = Qio.ChannelSocket.new_pair();
await there.write_bytes_all_async(new TextEncoder().encode('one\ntwo\n'));
there.close();
let count = 0;
for await (const line of here.lines())
    count += line.length;
if (count !== 6)
    throw new Error(`${count} bytes`);
