//! A server's tree of contexts: who may call what off, until when it may go on, and who did it in the end.
//!
//! ```console
//! cargo run --example context_tree
//! ```
//!
//! ```text
//! server ─┬─ request 1 ─── query        answered
//!         ├─ request 2 ─── query        its client goes away: cancelled with a cause
//!         ├─ request 3 ─── query        its time is up
//!         └─ request 4 ─── query        still there when the server stops
//! ```
//!
//! Every request is a task below the server's context, with a time limit and a value of its own; its query is below it. What is
//! below needs to know nothing of what is above: it runs under its context and ends with it.

use gochan::context::Key;
use gochan::task::Builder;
use gochan::{CancelCauseHandle, Context, ContextError, chan, diag, go, select, sleep};
use std::time::Duration;

struct User;
impl Key for User {
    type Value = &'static str;
}

/// Waits for the database, which takes `duration`. The user is the innermost context's business.
async fn query(ctx: &Context, duration: Duration) -> Result<String, ContextError> {
    let (ctx, _cancel) = ctx.with_cancel();
    let ctx = ctx.named("query");
    ctx.run(sleep(duration)).await?;
    Ok(format!(
        "rows of {}",
        ctx.value::<User>().unwrap_or(&"nobody")
    ))
}

/// One request. It says how it ended.
async fn request(ctx: Context, takes: Duration) -> String {
    match query(&ctx, takes).await {
        Ok(rows) => format!("answered: {rows}"),
        Err(error) => {
            let how = ctx
                .cancellation()
                .expect("a query ends early only with its request");
            format!(
                "{error}, because of {:?}; {} ended at line {}",
                how.cause.to_string(),
                name(&how),
                how.site.line()
            )
        }
    }
}

fn name(how: &gochan::context::Cancellation) -> String {
    let name = gochan::hook::name(how.context);
    name.map_or_else(|| how.context.to_string(), |name| name.to_string())
}

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

fn main() {
    gochan::run(async {
        let (server, stop): (Context, CancelCauseHandle) =
            Context::background().with_cancel_cause();
        let server = server.named("server");

        let users = ["ann", "bob", "eve", "joe"];
        let limits = [LONG, LONG, SHORT, LONG];
        let takes = [Duration::ZERO, LONG, LONG, LONG];
        let (mut tasks, mut clients) = (Vec::new(), Vec::new());
        for n in 0..4 {
            // The client may go away; the time may be up; the server may stop. Whatever comes first.
            let (ctx, client) = server.with_value::<User>(users[n]).with_cancel_cause();
            let (ctx, _) = ctx
                .named(&format!("client {}", n + 1))
                .with_timeout(limits[n]);
            let ctx = ctx.named(&format!("request {}", n + 1));
            tasks.push(go(request(ctx, takes[n])));
            clients.push(client);
        }

        let janitor = Builder::new().name("janitor").go({
            let server = server.clone();
            async move { server.done().await }
        });

        println!("request 1: {}", tasks.remove(0).await.unwrap());
        clients[1].cancel("the client went away");
        println!("request 2: {}", tasks.remove(0).await.unwrap());
        println!("request 3: {}", tasks.remove(0).await.unwrap());

        // What is left waits, and the dump says for what.
        println!("\n{}", diag::dump());

        // The server stops in order: it tells everybody why, and waits for them.
        let (told, stopped) = chan::<()>(0);
        let _after = server.after_func(move || drop(told));
        stop.cancel("the server stops");
        println!("janitor: {}", janitor.await.unwrap());
        println!("request 4: {}", tasks.remove(0).await.unwrap());
        select! {
            _ = stopped.recv() => println!("server: {}", server.cause().expect("it has stopped")),
            default(LONG) => unreachable!("the function is called when the server has stopped"),
        }
        let late = request(server.with_cancel().0, SHORT).await;
        println!("too late: {late}");
    });
}
