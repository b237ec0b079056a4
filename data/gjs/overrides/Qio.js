// Adds to the introspected API: promises of all asynchronous methods, and iteration.

const {Gio, GLib, GObject} = imports.gi;

// An asynchronous method that is called without a callback returns a promise. Its priority and
// cancellable may be left out then.
function promisify(prototype, name) {
    const count = prototype[name].length;
    Gio._promisify(prototype, name);
    const promisified = prototype[name];
    prototype[name] = function (...args) {
        if (args.length === count - 3)
            args.push(GLib.PRIORITY_DEFAULT);
        if (args.length === count - 2)
            args.push(null);
        return promisified.apply(this, args);
    };
}

function promisifyAll(prototype) {
    const names = Object.getOwnPropertyNames(prototype);
    for (const name of names) {
        if (name.endsWith('_async') && names.includes(name.replace(/_async$/, '_finish')))
            promisify(prototype, name);
    }
}

// Iterates asynchronously over the results of `read(cancellable)`, up to null. An early end, also
// by `break`, cancels.
class AsyncIterator {
    constructor(read) {
        this._read = read;
        this._cancellable = new Gio.Cancellable();
    }

    async next() {
        let value = null;
        try {
            if (!this._cancellable.is_cancelled())
                value = await this._read(this._cancellable);
        } catch (error) {
            if (!this._cancellable.is_cancelled())
                throw error;
        }
        return {value: value ?? undefined, done: value === null};
    }

    return(value) {
        this._cancellable.cancel();
        return Promise.resolve({value, done: true});
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}

// Returns the lines of a channel, without LF or CRLF, each a Uint8Array of `max` bytes at most:
// `for` blocks, `for await` does not. What follows the last line that was taken is left to the next
// reader.
function lines(max = 65536) {
    const channel = this;
    const array = line => line?.toArray() ?? null;
    return {
        * [Symbol.iterator]() {
            for (let line; (line = array(channel.read_line(max))) !== null;)
                yield line;
        },
        [Symbol.asyncIterator]() {
            return new AsyncIterator(async cancellable =>
                array(await channel.read_line_async(max, GLib.PRIORITY_DEFAULT, cancellable)));
        },
    };
}

// Receives messages up to the end of the stream: strings for text, and Uint8Arrays for binary ones.
function messages() {
    const {TEXT} = imports.gi.Qio.WebsockMessageKind;
    return new AsyncIterator(async cancellable => {
        const [data, kind] = await this.receive_async(GLib.PRIORITY_DEFAULT, cancellable);
        const array = data?.toArray() ?? null;
        return array !== null && kind === TEXT ? new TextDecoder().decode(array) : array;
    });
}

// Accepts clients until the listener is closed.
function clients() {
    return new AsyncIterator(async cancellable => {
        try {
            return await this.accept_async(GLib.PRIORITY_DEFAULT, cancellable);
        } catch (error) {
            if (this.is_connected())
                throw error;
            return null;
        }
    });
}

// Called by GJS, with the namespace as `this`.
function _init() {
    for (const name of Object.keys(this)) {
        const type = this[name];
        if (typeof type === 'function' && type.prototype instanceof GObject.Object)
            promisifyAll(type.prototype);
    }
    promisify(this.ChannelWebsock, 'connect_to_uri_async');
    this.Channel.prototype.lines = lines;
    this.ChannelWebsock.prototype[Symbol.asyncIterator] = messages;
    this.NetListener.prototype[Symbol.asyncIterator] = clients;
}
