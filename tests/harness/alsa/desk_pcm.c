/* A sound card that is not there: an ALSA capture device that plays a file in real time.
 *
 * For tests on machines without sound hardware. Programs open it through the ordinary ALSA
 * library, as they would open a card:
 *
 *   pcm_type.desk { lib "/path/libasound_module_pcm_desk.so" }
 *   pcm.press { type desk  file "/path/speech.raw"  rate 48000  channels 1
 *               unplugged "/path/unplugged"  stalled "/path/stalled" }
 *
 * `file` is raw S16_LE, played in a loop, from its beginning each time the device is opened.
 * While a file `unplugged` exists the device is gone, as if the cable had been pulled;
 * while a file `stalled` exists it is there and delivers nothing.
 */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef struct {
	snd_pcm_ioplug_t io;
	int timer;
	int16_t *samples;	/* the whole file */
	size_t n_samples;
	size_t next_sample;
	char *unplugged, *stalled;
	double started;		/* 0: not running */
	uint64_t given;		/* frames of time that have passed since the start */
	snd_pcm_uframes_t position;	/* in ALSA's ring, 0 to buffer_size - 1 */
} desk_t;

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int is_there(const char *path)
{
	return path && access(path, F_OK) == 0;
}

static int desk_start(snd_pcm_ioplug_t *io)
{
	desk_t *desk = io->private_data;
	long half_period = (long)((double)io->period_size / io->rate / 2 * 1e9);
	struct itimerspec ticks = { { 0, half_period }, { 0, half_period } };

	desk->started = seconds_now();
	desk->given = 0;
	desk->position = 0;
	return timerfd_settime(desk->timer, 0, &ticks, NULL);
}

static int desk_stop(snd_pcm_ioplug_t *io)
{
	desk_t *desk = io->private_data;
	struct itimerspec never = { { 0, 0 }, { 0, 0 } };

	desk->started = 0;
	return timerfd_settime(desk->timer, 0, &never, NULL);
}

static snd_pcm_sframes_t desk_pointer(snd_pcm_ioplug_t *io)
{
	desk_t *desk = io->private_data;
	uint64_t passed, fresh;

	/* ALSA asks for the position before the start, too: there must be no sound yet. */
	if (!desk->started)
		return 0;
	if (is_there(desk->unplugged)) {
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
		return -ENODEV;
	}
	passed = (uint64_t)((seconds_now() - desk->started) * io->rate);
	fresh = passed - desk->given;
	desk->given = passed;
	if (is_there(desk->stalled))
		return (snd_pcm_sframes_t)desk->position;
	if (fresh >= io->buffer_size)
		return -EPIPE;	/* the program was too slow: an overrun, as with a card */
	desk->position = (desk->position + fresh) % io->buffer_size;
	return (snd_pcm_sframes_t)desk->position;
}

static snd_pcm_sframes_t desk_transfer(snd_pcm_ioplug_t *io,
				       const snd_pcm_channel_area_t *areas,
				       snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	desk_t *desk = io->private_data;
	int16_t *to = (int16_t *)((char *)areas->addr
				  + (areas->first + areas->step * offset) / 8);
	size_t n = size * io->channels;

	while (n--) {
		*to++ = desk->samples[desk->next_sample];
		desk->next_sample = (desk->next_sample + 1) % desk->n_samples;
	}
	return (snd_pcm_sframes_t)size;
}

static int desk_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *polled,
			     unsigned int n_polled, unsigned short *revents)
{
	desk_t *desk = io->private_data;
	uint64_t ticks;

	(void)n_polled;
	if (is_there(desk->unplugged)) {
		*revents = POLLERR | POLLHUP;
		return 0;
	}
	if ((polled[0].revents & POLLIN) && read(desk->timer, &ticks, sizeof ticks) < 0)
		*revents = 0;
	else
		*revents = polled[0].revents & POLLIN;
	return 0;
}

static int desk_close(snd_pcm_ioplug_t *io)
{
	desk_t *desk = io->private_data;

	close(desk->timer);
	free(desk->samples);
	free(desk->unplugged);
	free(desk->stalled);
	free(desk);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = desk_start,
	.stop = desk_stop,
	.pointer = desk_pointer,
	.transfer = desk_transfer,
	.poll_revents = desk_poll_revents,
	.close = desk_close,
};

static int load(desk_t *desk, const char *path)
{
	struct stat about;
	int file = open(path, O_RDONLY);

	if (file < 0)
		return -errno;
	if (fstat(file, &about) < 0 || about.st_size < 2
	    || !(desk->samples = malloc((size_t)about.st_size))
	    || read(file, desk->samples, (size_t)about.st_size) != about.st_size) {
		close(file);
		return -EIO;
	}
	close(file);
	desk->n_samples = (size_t)about.st_size / 2;
	return 0;
}

static int describe(desk_t *desk, long rate, long channels)
{
	static const unsigned int accesses[] = { SND_PCM_ACCESS_RW_INTERLEAVED };
	static const unsigned int formats[] = { SND_PCM_FORMAT_S16_LE };
	snd_pcm_ioplug_t *io = &desk->io;
	unsigned int frame = 2 * (unsigned int)channels;
	int error;

	if ((error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 1, accesses)) < 0
	    || (error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, formats)) < 0
	    || (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS,
							(unsigned int)channels, (unsigned int)channels)) < 0
	    || (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE,
							(unsigned int)rate, (unsigned int)rate)) < 0
	    || (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES,
							128 * frame, 65536 * frame)) < 0
	    || (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 32)) < 0)
		return error;
	return snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES,
					       256 * frame, 1 << 20);
}

SND_PCM_PLUGIN_DEFINE_FUNC(desk)
{
	snd_config_iterator_t at, next;
	const char *file = "", *unplugged = NULL, *stalled = NULL;
	long rate = 48000, channels = 1;
	desk_t *desk;
	int error;

	(void)root;
	snd_config_for_each(at, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(at);
		const char *key;

		if (snd_config_get_id(entry, &key) < 0 || !strcmp(key, "comment")
		    || !strcmp(key, "type") || !strcmp(key, "hint"))
			continue;
		if (!strcmp(key, "file"))
			snd_config_get_string(entry, &file);
		else if (!strcmp(key, "unplugged"))
			snd_config_get_string(entry, &unplugged);
		else if (!strcmp(key, "stalled"))
			snd_config_get_string(entry, &stalled);
		else if (!strcmp(key, "rate"))
			snd_config_get_integer(entry, &rate);
		else if (!strcmp(key, "channels"))
			snd_config_get_integer(entry, &channels);
		else {
			SNDERR("desk: unknown field %s", key);
			return -EINVAL;
		}
	}
	if (stream != SND_PCM_STREAM_CAPTURE)
		return -EINVAL;
	if (is_there(unplugged))
		return -ENODEV;
	if (!(desk = calloc(1, sizeof *desk)))
		return -ENOMEM;
	if ((error = load(desk, file)) < 0) {
		free(desk);
		return error;
	}
	desk->unplugged = unplugged ? strdup(unplugged) : NULL;
	desk->stalled = stalled ? strdup(stalled) : NULL;
	desk->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	desk->io.version = SND_PCM_IOPLUG_VERSION;
	desk->io.name = "a press desk that is not there";
	desk->io.poll_fd = desk->timer;
	desk->io.poll_events = POLLIN;
	desk->io.mmap_rw = 0;
	desk->io.callback = &callbacks;
	desk->io.private_data = desk;
	if ((error = snd_pcm_ioplug_create(&desk->io, name, stream, mode)) < 0) {
		desk_close(&desk->io);
		return error;
	}
	if ((error = describe(desk, rate, channels)) < 0) {
		snd_pcm_ioplug_delete(&desk->io);	/* calls desk_close */
		return error;
	}
	*pcmp = desk->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(desk);
