/* The part of the journey in C about authorize-peer: the answers of handlers, and channels that are closed or
 * released meanwhile. */

#include "tls.h"

static QIOTlsCreds *mine, *theirs;
static guint freed;

static void
count_free (gpointer user_data, GClosure *closure)
{
  freed++;
}

static void
count_freed (gpointer user_data)
{
  freed++;
}

/* Credentials with which both ends present the certificate, and request it. */
static QIOTlsCreds *
mutual_creds (QIOTlsEndpoint endpoint)
{
  GError *error = NULL;
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (endpoint);
  QIOTlsCreds *creds;

  qio_tls_creds_builder_set_certificate_files (builder, certificate, key);
  qio_tls_creds_builder_add_trust_file (builder, certificate);
  if (endpoint == QIO_TLS_ENDPOINT_SERVER)
    qio_tls_creds_builder_set_client_certificates (builder, G_TLS_AUTHENTICATION_REQUIRED);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  check (qio_tls_creds_verifies_peer (creds));
  return creds;
}

/* What the handler does before it answers. */
typedef struct
{
  gboolean answer;
  gboolean closes;
  /* Runs the main loop meanwhile, as a dialog does. */
  gboolean takes_its_time;
  /* The location of the last reference, if the handler releases it. */
  QIOChannelTLS **place;
  guint calls;
  GThread *thread;
} Authorizer;

static gboolean
note_time (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
take_time (void)
{
  gboolean over = FALSE;
  guint turns = 0;

  g_timeout_add (30, note_time, &over);
  for (; !over; turns++)
    g_main_context_iteration (NULL, TRUE);
  /* It waits, and does not spin. */
  check (turns < 50);
}

static gboolean
on_authorize_peer (QIOChannelTLS *tls, GTlsCertificate *shown, gpointer user_data)
{
  GError *error = NULL;
  Authorizer *authorizer = user_data;
  g_autoptr (GTlsCertificate) expected = g_tls_certificate_new_from_file (certificate, &error);

  check_ok (error);
  check (g_tls_certificate_is_same (shown, expected));
  check (!qio_channel_tls_is_handshake_done (tls));
  authorizer->calls++;
  authorizer->thread = g_thread_self ();
  if (authorizer->takes_its_time)
    take_time ();
  if (authorizer->closes)
    check (qio_channel_close (QIO_CHANNEL (tls), &error) == 0);
  if (authorizer->place != NULL)
    g_clear_object (authorizer->place);
  return authorizer->answer;
}

static void
stand_at (QIOChannelTLS *tls, Authorizer *authorizer)
{
  check (g_signal_connect_data (tls, "authorize-peer", G_CALLBACK (on_authorize_peer), authorizer, count_free, 0) != 0);
}

static gpointer
handshake_anyhow (gpointer data)
{
  GError *error = NULL;

  if (!qio_channel_tls_handshake (data, &error))
    g_clear_error (&error);
  return NULL;
}

/* How the end with the handler performs the handshake. */
typedef enum
{
  BY_BLOCKING,
  BY_CALLING_BACK,
  BY_READING,
  BY_WATCHING,
  WAYS
} Way;

typedef struct
{
  GError *error;
  gboolean done;
} Outcome;

static void
finish (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  qio_channel_tls_handshake_finish (QIO_CHANNEL_TLS (source), result, &outcome->error);
  outcome->done = TRUE;
}

static gboolean
read_anyhow (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  Outcome *outcome = user_data;
  char buf[1];

  if (condition != G_IO_NVAL && qio_channel_read (ioc, buf, 1, &outcome->error) == QIO_CHANNEL_ERR_BLOCK
      && !qio_channel_tls_is_handshake_done (QIO_CHANNEL_TLS (ioc)))
    return G_SOURCE_CONTINUE;
  outcome->done = TRUE;
  return G_SOURCE_REMOVE;
}

/* A handshake with a handler at the server. Returns its error, if there is one. */
static GError *
meet (Authorizer *authorizer, Way way, gboolean lets_go)
{
  g_autoptr (QIOChannelTLS) client = NULL;
  QIOChannelTLS *server;
  Outcome outcome = { 0 };
  GThread *peer;
  char buf[1];

  make_ends (mine, theirs, "localhost", &client, &server);
  freed = 0;
  stand_at (server, authorizer);
  if (lets_go)
    authorizer->place = &server;
  peer = g_thread_new ("peer", handshake_anyhow, client);
  switch (way)
    {
    case BY_BLOCKING:
      qio_channel_tls_handshake (server, &outcome.error);
      break;
    case BY_READING:
      /* No data arrives but end-of-file. */
      check (qio_channel_set_blocking (QIO_CHANNEL (server), FALSE, NULL) == 0);
      while (qio_channel_read (QIO_CHANNEL (server), buf, 1, &outcome.error) == QIO_CHANNEL_ERR_BLOCK
             && !qio_channel_tls_is_handshake_done (server))
        qio_channel_wait (QIO_CHANNEL (server), G_IO_IN);
      break;
    case BY_CALLING_BACK:
      qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, finish, &outcome);
      break;
    default:
      check (qio_channel_set_blocking (QIO_CHANNEL (server), FALSE, NULL) == 0);
      check (qio_channel_add_watch (QIO_CHANNEL (server), G_IO_IN, read_anyhow, &outcome, NULL) != 0);
    }
  while ((way == BY_CALLING_BACK || way == BY_WATCHING) && !outcome.done)
    g_main_context_iteration (NULL, TRUE);
  /* The reference of the call is released with it. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (authorizer->calls == 1 && authorizer->thread == g_thread_self ());
  check ((server == NULL) == lets_go && freed == (lets_go ? 1 : 0));
  g_clear_object (&server);
  check (freed == 1);
  g_thread_join (peer);
  return outcome.error;
}

static void
handshake_with (Way way)
{
  GError *error;
  Authorizer yes = { .answer = TRUE };
  Authorizer no = { .answer = FALSE };
  Authorizer closing = { .answer = TRUE, .closes = TRUE };
  Authorizer slow = { .answer = TRUE, .takes_its_time = TRUE };

  error = meet (&slow, way, FALSE);
  check_ok (error);
  error = meet (&yes, way, FALSE);
  check_ok (error);
  error = meet (&no, way, FALSE);
  check (strstr (error->message, "rejected by authorize-peer handler") != NULL);
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  error = meet (&closing, way, FALSE);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

/* The handler has the last reference of the caller: the call holds another one. */
static void
let_go (Way way)
{
  GError *error;
  Authorizer yes = { .answer = TRUE };
  Authorizer no = { .answer = FALSE };
  Authorizer closing = { .answer = TRUE, .closes = TRUE };

  error = meet (&yes, way, TRUE);
  check_ok (error);
  error = meet (&no, way, TRUE);
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  error = meet (&closing, way, TRUE);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static gpointer
greet (gpointer data)
{
  GError *error = NULL;

  check (qio_channel_write_all (data, "x", 1, &error) == 0);
  check (qio_channel_close (data, &error) == 0);
  check_ok (error);
  return NULL;
}

/* Others wait for the same channel meanwhile, in all ways. */
static void
waited_for (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) server_done = NULL;
  g_autoptr (GAsyncResult) read = NULL;
  g_autoptr (GBytes) bytes = NULL;
  Authorizer slow = { .answer = TRUE, .takes_its_time = TRUE };
  Seen seen = { 0 };
  GThread *peer;

  make_ends (mine, theirs, "localhost", &client, &server);
  check (qio_channel_set_blocking (QIO_CHANNEL (server), FALSE, &error) == 0);
  stand_at (server, &slow);
  qio_channel_read_bytes_async (QIO_CHANNEL (server), 8, G_PRIORITY_DEFAULT, NULL, take_result, &read);
  qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &server_done);
  peer = g_thread_new ("peer", greet, client);
  check (qio_channel_tls_handshake_finish (server, await (&server_done), &error));
  bytes = qio_channel_read_bytes_finish (QIO_CHANNEL (server), await (&read), &error);
  check_ok (error);
  check (holds (bytes, "x") && slow.calls == 1);
  /* close_notify. */
  check (qio_channel_add_watch (QIO_CHANNEL (server), G_IO_IN, note, &seen, note_freed) != 0);
  run_until_called (&seen, NULL);
  check (seen.condition & G_IO_IN && seen.freed == 1);
  g_thread_join (peer);
}

/* The handler runs in the context of the call. */
static void
elsewhere (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) server_done = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;
  GMainContext *own = g_main_context_new ();
  Authorizer yes = { .answer = TRUE };

  make_ends (mine, theirs, "localhost", &client, &server);
  stand_at (server, &yes);
  check (!qio_channel_tls_update_keys (server, FALSE, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_main_context_push_thread_default (own);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &server_done);
  g_main_context_pop_thread_default (own);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (yes.calls == 0 && server_done == NULL);
  while (server_done == NULL || client_done == NULL)
    g_main_context_iteration (own, TRUE);
  check (qio_channel_tls_handshake_finish (server, server_done, &error));
  check (qio_channel_tls_handshake_finish (client, client_done, &error));
  check_ok (error);
  check (yes.calls == 1);
  g_main_context_unref (own);
}

/* One handler that returns FALSE is enough, and no further one is called; nor is a disconnected one. */
static void
several (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) server_done = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;
  Authorizer yes = { .answer = TRUE };
  Authorizer no = { .answer = FALSE };
  Authorizer late = { .answer = TRUE };
  Authorizer gone = { .answer = FALSE };

  make_ends (mine, theirs, "localhost", &client, &server);
  freed = 0;
  stand_at (server, &gone);
  check (g_signal_handlers_disconnect_by_data (server, &gone) == 1 && freed == 1);
  stand_at (server, &yes);
  stand_at (server, &no);
  stand_at (server, &late);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &server_done);
  check (!qio_channel_tls_handshake_finish (server, await (&server_done), &error));
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  check (yes.calls == 1 && no.calls == 1 && late.calls == 0 && gone.calls == 0);
  /* Nothing but an alert is sent to a peer that is rejected. */
  check (qio_channel_write (QIO_CHANNEL (server), "x", 1, &error) == -1);
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  await (&client_done);
  g_clear_object (&server_done);
  g_clear_object (&server);
  check (freed == 4);
}

static void
count_line (const char *line, gpointer user_data)
{
  check (g_str_is_ascii (line) && strchr (line, '\n') == NULL);
  ++*(guint *) user_data;
}

/* The key-log callback is freed with its last user. */
static void
key_log (void)
{
  GError *error = NULL;
  QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
  QIOTlsCredsBuilder *copy;
  QIOTlsCreds *creds;
  QIOChannelTLS *client, *server;
  guint lines = 0;

  freed = 0;
  qio_tls_creds_builder_set_key_log_func (builder, count_line, &lines, count_freed);
  /* Another one takes its place. */
  qio_tls_creds_builder_set_key_log_func (builder, count_line, &lines, count_freed);
  check (freed == 1);
  qio_tls_creds_builder_set_certificate_files (builder, certificate, key);
  qio_tls_creds_builder_add_trust_file (builder, certificate);
  copy = qio_tls_creds_builder_copy (builder);
  qio_tls_creds_builder_free (builder);
  creds = qio_tls_creds_builder_build (copy, &error);
  check_ok (error);
  qio_tls_creds_builder_free (copy);
  make_ends (creds, theirs, "localhost", &client, &server);
  g_object_unref (creds);
  check (freed == 1);
  perform_the_handshake (client, server);
  check (lines > 0);
  g_object_unref (server);
  check (freed == 1);
  g_object_unref (client);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (freed == 2);
}

static char *
answer_with (const char *what, gpointer user_data)
{
  check (g_str_has_suffix (what, "locked.pem"));
  return g_strdup (user_data);
}

/* The password callback may return a wrong password, or none. */
static void
passwords (void)
{
  GError *error = NULL;
  g_autofree char *locked = g_build_filename (directory, "locked.pem", NULL);
  g_autofree char *command = g_strdup_printf ("openssl pkey -aes256 -passout pass:sesame -in %s -out %s", key, locked);
  const char *const answers[] = { "sesame", "tahini", "\xff", NULL };
  int wait_status;

  check (g_spawn_command_line_sync (command, NULL, NULL, &wait_status, &error));
  check (g_spawn_check_wait_status (wait_status, &error));
  freed = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
      g_autoptr (QIOTlsCreds) creds = NULL;

      qio_tls_creds_builder_set_certificate_files (builder, certificate, locked);
      qio_tls_creds_builder_set_password_func (builder, answer_with, (gpointer) answers[i], count_freed);
      if (i == 2)
        g_test_expect_message ("Qio", G_LOG_LEVEL_CRITICAL, "*the password is UTF-8*");
      creds = qio_tls_creds_builder_build (builder, &error);
      g_test_assert_expected_messages ();
      check ((creds != NULL) == (i == 0));
      if (i == 0)
        check_ok (error);
      else
        check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE_PASSWORD);
      /* Credentials do not call it again. */
      qio_tls_creds_builder_free (builder);
      check (freed == i + 1);
    }
  g_remove (locked);
}

int
main (void)
{
  make_certificate ();
  mine = mutual_creds (QIO_TLS_ENDPOINT_CLIENT);
  theirs = mutual_creds (QIO_TLS_ENDPOINT_SERVER);
  for (Way way = 0; way < WAYS; way++)
    handshake_with (way);
  let_go (BY_BLOCKING);
  let_go (BY_CALLING_BACK);
  let_go (BY_WATCHING);
  waited_for ();
  elsewhere ();
  several ();
  key_log ();
  passwords ();
  g_object_unref (mine);
  g_object_unref (theirs);
  remove_certificate ();
  printf ("tls_authorize: ok\n");
  return 0;
}
